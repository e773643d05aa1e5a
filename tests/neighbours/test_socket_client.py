"""The feed that a neighbour publishes: its subject, its envelope, without headers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.neighbours.conftest import Neighbourhood, SocketClient
from tests.runtime.conftest import eventually


def counters(neighbourhood: Neighbourhood) -> dict[str, Any]:
    answer = neighbourhood.runtime.answer("/info")
    assert answer is not None
    found: dict[str, Any] = answer.json()["runtime"]["counters"]
    return found


@pytest.mark.parametrize(
    ("stream", "kind", "data"),
    [
        ("trade", "trade", {"e": "trade", "t": 1, "p": "100.0", "q": "1.0", "m": True, "M": True}),
        ("ticker", "ticker", {"e": "24hrTicker", "c": "100.0", "P": "1.0", "v": "10", "q": "18", "n": 5, "b": "99.9"}),
        ("depth20@100ms", "depth", {"b": [["99.9", "1"]], "a": [["100.1", "1"]], "lastUpdateId": 1}),
    ],
)
async def test_message__in_the_neighbours_envelope__is_decoded(
    neighbourhood: Neighbourhood,
    socket_client: SocketClient,
    symbol: str,
    stream: str,
    kind: str,
    data: dict[str, Any],
) -> None:
    before = counters(neighbourhood)
    now = int(time.time() * 1000)
    dates = {} if kind == "depth" else {"E": now, "T": now, "s": symbol}
    await socket_client.publish(f"{symbol.lower()}@{stream}", **data, **dates)
    await eventually(lambda: counters(neighbourhood)["decoded"][kind] > before["decoded"][kind])
    assert counters(neighbourhood)["bad_input"] == before["bad_input"]


async def test_feed__of_a_symbol__shows_in_the_market_metrics(
    neighbourhood: Neighbourhood, signals_of: Callable[[str], Any], symbol: str
) -> None:
    await signals_of(symbol)

    def found() -> dict[str, Any] | None:
        answer = neighbourhood.ask("GET", f"/api/v1/metrics/depth/{symbol}")
        metrics: dict[str, Any] = answer.json()
        return metrics if answer.status_code == 200 else None

    metrics = await eventually(lambda: asyncio.to_thread(found))
    assert metrics["source"] == "live"
    assert set(metrics) >= {
        "symbol", "timestamp", "imbalance", "pressure", "liquidity", "spread", "vwap", "order_book_quality",
        "strongest_levels",
    }  # fmt: skip
