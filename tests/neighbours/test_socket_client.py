"""The feed that a neighbour publishes: its subject, its envelope, without headers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.neighbours.conftest import Neighbourhood, SocketClient
from tests.waiting import eventually


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


def trade(symbol: str, price: str, **members: Any) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {"e": "trade", "E": now, "T": now, "s": symbol, "t": 1, "p": price, "q": "0.01", "m": True, **members}


def spot_book(price: float) -> dict[str, Any]:
    """As spot sends it: without symbol and time."""
    return {
        "lastUpdateId": 1,
        "bids": [[f"{price - 1}", "1.0"], [f"{price - 2}", "1.0"]],
        "asks": [[f"{price + 1}", "1.0"], [f"{price + 2}", "1.0"]],
    }


async def test_book__that_the_neighbour_puts_under_the_wrong_symbol__is_refused_and_counted(
    neighbourhood: Neighbourhood, socket_client: SocketClient, symbol: str
) -> None:
    before = counters(neighbourhood)
    name = symbol.lower()
    await socket_client.publish(f"{name}@trade", **trade(symbol, "60000.00"))
    await socket_client.publish(f"{name}@depth20@100ms", **spot_book(60_000.0))
    await socket_client.publish(f"{name}@depth20@100ms", **spot_book(3_000.0))
    await eventually(lambda: counters(neighbourhood)["implausible"]["depth"] > before["implausible"]["depth"])

    def mid_price() -> float | None:
        answer = neighbourhood.ask("GET", f"/api/v1/metrics/depth/{symbol}")
        return float(answer.json()["spread"]["mid_price"]) if answer.status_code == 200 else None

    assert await eventually(lambda: asyncio.to_thread(mid_price)) == 60_000.0


async def test_difference__that_the_neighbour_labels_as_a_book__is_refused_and_counted(
    neighbourhood: Neighbourhood, socket_client: SocketClient, symbol: str
) -> None:
    before = counters(neighbourhood)
    levels = {"b": [["59990.0", "0.0"], ["58000.0", "0.5"]], "a": [["60001.0", "1.5"], ["60005.0", "0.0"]]}
    dates = {"E": int(time.time() * 1000), "s": symbol, "U": 10, "u": 12}
    await socket_client.publish(f"{symbol.lower()}@depth20@100ms", e="depthUpdate", **dates, **levels)
    await eventually(lambda: counters(neighbourhood)["depth_diff"] > before["depth_diff"])


async def test_trade__that_is_none_of_the_market__is_set_aside_and_counted(
    neighbourhood: Neighbourhood, socket_client: SocketClient, symbol: str
) -> None:
    before = counters(neighbourhood)
    await socket_client.publish(f"{symbol.lower()}@trade", **trade(symbol, "54000.0", X="INSURANCE_FUND"))
    await eventually(lambda: counters(neighbourhood)["no_market_trade"] > before["no_market_trade"])
