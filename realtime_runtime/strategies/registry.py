"""The catalogue of strategies, by id, in the order in which people see them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from realtime_runtime.strategies.base import Strategy
from realtime_runtime.strategies.btc_dominance import BtcDominance
from realtime_runtime.strategies.cross_exchange_spread import CrossExchangeSpread
from realtime_runtime.strategies.iceberg_detector import IcebergDetector
from realtime_runtime.strategies.onchain_metrics import OnchainMetrics
from realtime_runtime.strategies.orderbook_skew import OrderbookSkew
from realtime_runtime.strategies.spread_liquidity import SpreadLiquidity
from realtime_runtime.strategies.ticker_velocity import TickerVelocity
from realtime_runtime.strategies.trade_momentum import TradeMomentum

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
