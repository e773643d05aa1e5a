"""Book analytics: the same as a second, plain implementation, and what holds at the edges."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest

from strategy_core.engine.engine import Engine
from strategy_core.market import analytics
from strategy_core.market.analytics import PressureHistory, SymbolAnalytics, measure
from strategy_core.market.book import Book
from tests.engine.builders import futures_depth, make_engine
from tests.market import plain_analytics as plain

FILES = (
    "spot-20240808",
    "usdm-20240808",
    "usdm-20230404",
    "spot-20211012-alts",
    "usdm-20210722-alts",
    "coinm-20210722-alts",
    "binance-ws-singles",
)
"""All that hold partial books."""
TOLERANCE = 1e-9
START_MS = 1_700_000_000_000


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two answers differ, by more than the tolerance where they are numbers (relative, of large ones)."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        return [line for key in expected for line in differences(found[key], expected[key], f"{path}.{key}")]
    if isinstance(expected, str):
        return [] if found == expected else [f"{path}: {found} is not {expected}"]
    exact = float(expected)
    return [] if abs(found - exact) <= TOLERANCE * max(1.0, abs(exact)) else [f"{path}: {found} is not {exact}"]


def groups_of(metrics: analytics.BookMetrics) -> dict[str, Any]:
    """The field groups, as they are published."""
    found: dict[str, Any] = msgspec.to_builtins(analytics.decode(analytics.encode(metrics)))
    return {key: value for key, value in found.items() if isinstance(value, dict)}


def take(engine: Engine, line: bytes, symbol: str) -> SymbolAnalytics:
    engine.market(line, received_ms=1, is_replay=True)
    return engine.analytics()[symbol]


@pytest.mark.parametrize("name", FILES)
def test_recorded_books__every_line__gives_what_the_plain_implementation_gives(market_data: Path, name: str) -> None:
    with gzip.open(market_data / "market" / f"{name}.jsonl.gz") as file:
        lines = [line.rstrip(b"\n") for line in file]
    engine, _ = make_engine()
    pressures: dict[str, dict[int, Any]] = {}
    found = []
    for symbol, time_ms, bids, asks, line in plain.depth_lines(lines):
        kept = take(engine, line, symbol)
        assert kept.book is not None
        metrics = measure(symbol, kept.book, source="replay", published_ms=1)
        assert metrics.time_ms == time_ms
        found += differences(groups_of(metrics), plain.metrics(bids, asks))
        pressures.setdefault(symbol, {}).setdefault(time_ms // 1000, plain.net_pressure(bids, asks))
    assert found == []
    assert pressures
    for symbol, by_second in pressures.items():
        records = engine.analytics()[symbol].history.tail(analytics.POINTS_KEPT)
        for timeframe in analytics.TIMEFRAMES:
            points = analytics.read_points(records, timeframe)
            summary = msgspec.to_builtins(analytics.summarise(points, timeframe))
            assert differences(summary, plain.summary(by_second, timeframe), f"{symbol} {timeframe}") == []


def book_of(bid_volume: float, ask_volume: float) -> Book:
    return Book([(99.0, bid_volume)], [(101.0, ask_volume)], START_MS)


@pytest.mark.parametrize(
    ("bid_volume", "net_pressure", "mood"),
    [(60.0, 20.0, "neutral"), (60.1, 20.2, "bullish"), (40.0, -20.0, "neutral"), (39.9, -20.2, "bearish")],
)
def test_interpretation__around_the_limits__turns_beyond_them(
    bid_volume: float, net_pressure: float, mood: str
) -> None:
    metrics = measure("BTCUSDT", book_of(bid_volume, 100.0 - bid_volume), source="live", published_ms=1)
    assert metrics.pressure.net_pressure == pytest.approx(net_pressure)
    assert metrics.pressure.interpretation == mood


@pytest.mark.parametrize("volumes", [(0.0, 0.0), (1e300, 1e300), (0.0, 1e300)])
def test_measure__volumes_at_the_limits__are_numbers_or_none(volumes: tuple[float, float]) -> None:
    book = Book([(1e300 / 2, volumes[0])] * 20, [(1e300, volumes[1])] * 20, START_MS)
    metrics = measure("BTCUSDT", book, source="live", published_ms=1)
    assert analytics.decode(analytics.encode(metrics)) == metrics
    assert (metrics.vwap.bid is None, metrics.vwap.ask is None) == (volumes[0] == 0, volumes[1] == 0)
    assert -1 <= metrics.imbalance.ratio <= 1


def test_strongest_level__equal_volumes__is_the_best_price() -> None:
    book = Book([(99.0, 1.0), (98.0, 5.0), (97.0, 5.0)], [(101.0, 2.0), (102.0, 2.0)], START_MS)
    strongest = measure("BTCUSDT", book, source="live", published_ms=1).strongest_levels
    assert (strongest.bid.price, strongest.ask.price) == (98.0, 101.0)


def test_history__more_books_than_seconds__one_point_a_second_and_bounded() -> None:
    engine, _ = make_engine()
    for tenth in range(10 * (analytics.POINTS_KEPT + 100)):
        kept = take(engine, futures_depth(time_ms=START_MS + tenth * 100), "BTCUSDT")
    assert kept.history.added == analytics.POINTS_KEPT + 100
    points = analytics.read_points(kept.history.tail(5_000), "15m")
    assert [point.time_ms for point in points] == [START_MS + second * 1000 for second in range(100, 1_000)]
    assert len(analytics.read_points(kept.history.tail(5_000), "1m")) == 60


@pytest.mark.parametrize(("back_ms", "points"), [(3_000, 10), (3_600_000, 1)])
def test_history__event_time_falls_back__waits_or_begins_anew(back_ms: int, points: int) -> None:
    kept = SymbolAnalytics()
    for second in range(10):
        kept.sample(Book([(99.0, 1.0)], [(101.0, 2.0)], START_MS + second * 1000))
    kept.sample(Book([(99.0, 1.0)], [(101.0, 2.0)], START_MS + 9_000 - back_ms))
    assert kept.history.added == points


def test_replay__begun_anew__begins_a_new_history() -> None:
    engine, _ = make_engine()
    first = take(engine, futures_depth(time_ms=START_MS + 10_000), "BTCUSDT").history
    assert take(engine, futures_depth(time_ms=START_MS), "BTCUSDT").history is not first


def history_of(*pressures: float) -> PressureHistory:
    history = PressureHistory()
    for second, pressure in enumerate(pressures):
        history.add(START_MS + second * 1000, pressure / 100)
    return history


@pytest.mark.parametrize(
    ("pressures", "trend", "strength"),
    [
        ([90.0] * 9, "neutral", 0.0),
        ([-90.0] * 50 + [30.0] * 10, "bullish", 0.6),
        ([-80.0] * 10, "bearish", 1.0),
        ([90.0] * 50 + [5.0] * 10, "neutral", 0.75),
    ],
)
def test_trend__of_the_last_sixth__has_its_strength(pressures: list[float], trend: str, strength: float) -> None:
    points = analytics.read_points(history_of(*pressures).tail(900), "1m")
    summary = analytics.summarise(points, "1m")
    assert (summary.trend, summary.trend_strength) == (trend, pytest.approx(strength))
    assert summary.max_pressure == pytest.approx(max(pressures))


def test_points__gaps_in_time__a_timeframe_counts_seconds_not_points() -> None:
    history = PressureHistory()
    for minute in range(5):
        history.add(START_MS + minute * 60_000, 0.1)
    counts = {timeframe: len(analytics.read_points(history.tail(900), timeframe)) for timeframe in analytics.TIMEFRAMES}
    assert counts == {"1m": 1, "5m": 5, "15m": 5}


def test_points__of_bytes_that_are_none__are_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        analytics.read_points(b"x", "1m")
    assert analytics.read_points(b"", "1m") == []
