"""Signals as the runtimes write them, made by the runtime's own code, and the stream that they write them to."""

from datetime import UTC, datetime
from typing import Any

import redis

from strategy_core.configuration import redis_keys
from strategy_core.engine.active import ActiveConfig
from strategy_core.engine.signals import build_signal, encode
from strategy_core.strategies.base import Action, Decision, Parameters

NOON_MS = int(datetime(2024, 8, 8, 12, 0, tzinfo=UTC).timestamp() * 1000)


def signal_json(
    *,
    strategy_id: str = "orderbook_skew",
    symbol: str = "BTCUSDT",
    action: Action = "buy",
    time_ms: int = NOON_MS,
    price: float = 50_000.0,
    versions: tuple[int, int] = (0, 0),
    is_simulated: bool = False,
) -> bytes:
    """A signal as it goes out; ``versions`` are those of the global and the symbol's layer."""
    config = ActiveConfig(
        enabled=True,
        parameters=Parameters(),
        sequence=sum(versions),
        global_version=versions[0],
        symbol_version=versions[1],
    )
    decision = Decision(action, 0.85, price, "skew", {"ratio": 1.5})
    return encode(
        build_signal(
            decision,
            strategy_id=strategy_id,
            symbol=symbol,
            time_ms=time_ms,
            decided_ms=time_ms,
            is_observation=False,
            current_price=price,
            quantity=0.002,
            config=config,
            is_simulated=is_simulated,
        )
    )


def store(client: redis.Redis, prefix: str, *payloads: bytes) -> None:
    """Append to the stream, as a runtime does."""
    pipeline = client.pipeline(transaction=False)
    for payload in payloads:
        entry: dict[Any, Any] = {redis_keys.STREAM_FIELD: payload}
        pipeline.xadd(redis_keys.Keys(prefix).signals, entry, maxlen=redis_keys.SIGNALS_CAP, approximate=True)
    pipeline.execute()
