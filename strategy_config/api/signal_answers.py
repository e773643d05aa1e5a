"""What the API answers of signals, as models like those of `answers`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from strategy_config.api.answers import Answer, Instant, Metadata, Success


class SignalConfig(Answer):
    """What the signal was decided under. A version of 0: nobody had ever set that layer."""

    sequence: int
    global_version: int
    symbol_version: int


class SignalMetadata(Answer):
    """``source`` simulated: decided on a simulated market. The other members are the numbers that decided it.

    ``observed_at``: the time of the observation that was decided on, where it was no market event.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    config: SignalConfig
    decision: str
    signal_action: str
    source: Literal["simulated"] | None = None
    observed_at: Instant | None = None


class Signal(Answer):
    """One signal, as it went to order management. Prices in quote units, ``_pct`` fractions.

    ``quantity`` is in base units, of COIN-M symbols in contracts. ``signal_id`` and ``intent_id`` repeat ``id``;
    signals of a runtime of before have no ``intent_id``.
    """

    id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    signal_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    intent_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})] = ""
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
    timestamp: Instant
    metadata: SignalMetadata


class SignalsMetadata(Metadata):
    count: int


class Signals(Success):
    data: list[Signal]
    metadata: SignalsMetadata
