"""The catalogue of strategies, by id, in the order in which people see them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from strategy_core.strategies.base import Strategy
from strategy_core.strategies.btc_dominance import BtcDominance
from strategy_core.strategies.cross_exchange_spread import CrossExchangeSpread
from strategy_core.strategies.iceberg_detector import IcebergDetector
from strategy_core.strategies.onchain_metrics import OnchainMetrics
from strategy_core.strategies.orderbook_skew import OrderbookSkew
from strategy_core.strategies.spread_liquidity import SpreadLiquidity
from strategy_core.strategies.ticker_velocity import TickerVelocity
from strategy_core.strategies.trade_momentum import TradeMomentum

STRATEGIES: Mapping[str, type[Strategy[Any]]] = MappingProxyType(
    {
        strategy.id: strategy
        for strategy in (
            OrderbookSkew,
            TradeMomentum,
            TickerVelocity,
            BtcDominance,
            CrossExchangeSpread,
            OnchainMetrics,
            SpreadLiquidity,
            IcebergDetector,
        )
    }
)
