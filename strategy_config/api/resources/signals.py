"""The latest signals of the runtimes."""

from typing import Literal

import msgspec
from django.http import HttpResponse
from pydantic import ConfigDict, Field
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.answer_models import AnswerModel, InstantText, Metadata, Success, UuidText
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY
from strategy_config.api.common.request_fields import Instant, LayerVersion, PageSize, StrategyId
from strategy_config.api.common.request_models import LayerQuery, query_of
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.observed import recent_signals
from strategy_config.observed.recent_signals import SignalFilter
from strategy_config.resolution import known_strategies


class SignalsQuery(LayerQuery):
    """Which of the latest signals."""

    strategy_id: StrategyId | None = None
    action: Literal["buy", "sell", "hold", "close"] | None = None
    global_version: LayerVersion | None = Field(
        default=None,
        description="Only signals decided under this version of the strategy's global layer; 0: never set.",
    )
    symbol_version: LayerVersion | None = Field(
        default=None, description="Only signals decided under this version of the symbol's layer; 0: never set."
    )
    since: Instant | None = Field(default=None, description="Signals at or after this instant, by their timestamp.")
    limit: PageSize = 100


class SignalConfig(AnswerModel):
    """The configuration that the signal was decided under. Version 0: that layer was never set."""

    sequence: int
    global_version: int
    symbol_version: int


class SignalMetadata(AnswerModel):
    """``source`` "simulated": decided on a simulated market. Other members are the numbers behind the decision.

    ``observed_at`` is the time of the observation, if the decision was not on a market event.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    config: SignalConfig
    decision: str
    signal_action: str
    source: Literal["simulated"] | None = None
    observed_at: InstantText | None = None


class Signal(AnswerModel):
    """One signal, as sent to order management. Prices are in quote units; ``_pct`` are fractions.

    ``quantity`` is in base units, for COIN-M symbols in contracts. ``signal_id`` and ``intent_id`` repeat ``id``;
    signals of earlier runtimes have no ``intent_id``.
    """

    id: UuidText
    signal_id: UuidText
    intent_id: UuidText = ""
    strategy_id: str
    strategy_mode: Literal["deterministic"]
    symbol: str
    action: Literal["buy", "sell", "hold", "close"]
    confidence: float
    strength: Literal["weak", "medium", "strong", "extreme"]
    price: float
    quantity: float
    current_price: float
    target_price: float
    source: Literal["realtime_strategies"]
    strategy: str
    timeframe: Literal["tick"]
    order_type: Literal["market"]
    time_in_force: Literal["GTC"]
    signal_type: Literal["buy", "sell", "hold", "close"]
    confidence_score: float
    stop_loss: float
    stop_loss_pct: float
    take_profit: float
    take_profit_pct: float
    timestamp: InstantText
    metadata: SignalMetadata


class SignalsMetadata(Metadata):
    count: int


class Signals(Success):
    data: list[Signal]
    metadata: SignalsMetadata


class SignalsView(ApiView):
    """The latest signals."""

    permission_by_method = READ_ONLY

    @operation(
        "listSignals",
        tag="Operation",
        summary="List the latest signals",
        answer=Signals,
        query=SignalsQuery,
        names_strategy=True,
        needs_cache=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """The newest of about 10,000 kept signals, newest first, as sent to order management.

        The `metadata.config` of each is the configuration that it was decided under: its sequence, and the versions of
        the strategy's two layers.
        """
        query = query_of(request, SignalsQuery)
        if query.strategy_id is not None:
            known_strategies.strategy_class(query.strategy_id)
        chosen = SignalFilter(
            strategy_id=query.strategy_id,
            symbol=query.symbol,
            action=query.action,
            global_version=query.global_version,
            symbol_version=query.symbol_version,
            since=query.since,
        )
        try:
            found = recent_signals.newest(chosen, limit=query.limit)
        except RedisUnavailableError as exception:
            raise StoreUnavailableError(
                "Redis, which keeps the latest signals, is unreachable; try again later."
            ) from exception
        signals = [msgspec.Raw(signal.payload) for signal in found]
        return envelope.success(request, signals, metadata={"count": len(signals)})
