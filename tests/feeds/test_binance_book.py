"""The book builder against recorded snapshots and differences, and by the exchange's procedure step by step."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from realtime_runtime.feeds.binance.book_sync import (
    MAX_CROSSED,
    BookBuilder,
    DepthDifference,
    DepthSnapshot,
    OrderBook,
    SequenceGapError,
)
from tests.feeds.conftest import recorded

SPOT = "market/spot-20240808.jsonl.gz"
DIFFERENCES = "market/spot-20240808.raw-diffs.jsonl.gz"


def difference(
    first: int, last: int, bids: Sequence[tuple[str, str]] = (), previous: int | None = None
) -> DepthDifference:
    return DepthDifference(first=first, last=last, bids=list(bids), asks=[], previous=previous)


def snapshot(number: int = 100) -> DepthSnapshot:
    return DepthSnapshot(number, bids=[("10.0", "1"), ("9.0", "2")], asks=[("11.0", "1"), ("12.0", "2")])


@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_book__recorded_snapshot_and_differences__equals_every_recorded_depth20(symbol: str, market_data: Path) -> None:
    expected = [json.loads(line)["data"] for _, line in recorded(market_data / SPOT, f"{symbol}@depth20@100ms")]
    builder = BookBuilder(is_futures=False)
    built: dict[int, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {}
    for stream, line in recorded(market_data / DIFFERENCES, f"{symbol}@depth@100ms", f"{symbol}@depthSnapshot"):
        data = line[line.index('"data":') + 7 : -1].encode()
        if stream.endswith("Snapshot"):
            assert builder.take_snapshot(msgspec.json.decode(data, type=DepthSnapshot))
        else:
            builder.take(msgspec.json.decode(data, type=DepthDifference))
        if builder.book is not None:
            built[builder.book.last] = builder.book.top(20)
    assert builder.gaps == 0
    assert len(expected) > 6_000
    found = [built.get(each["lastUpdateId"]) for each in expected]
    assert found == [(list(map(tuple, each["bids"])), list(map(tuple, each["asks"]))) for each in expected]


@pytest.mark.parametrize(
    ("is_futures", "first", "last", "previous", "result"),
    [
        pytest.param(False, 90, 100, None, False, id="spot: contained in the snapshot"),
        pytest.param(False, 95, 101, None, True, id="spot: reaches over the snapshot"),
        pytest.param(False, 101, 105, None, True, id="spot: follows the snapshot"),
        pytest.param(False, 102, 105, None, None, id="spot: too late for the snapshot"),
        pytest.param(True, 90, 99, 89, False, id="futures: contained in the snapshot"),
        pytest.param(True, 95, 100, 94, True, id="futures: contains the snapshot's number"),
        pytest.param(True, 101, 105, 99, None, id="futures: does not contain the snapshot's number"),
    ],
)
def test_book__first_difference__must_reach_over_the_snapshot(
    is_futures: bool, first: int, last: int, previous: int | None, result: bool | None
) -> None:
    book = OrderBook(snapshot(), is_futures=is_futures)
    if result is None:
        with pytest.raises(SequenceGapError):
            book.apply(difference(first, last, previous=previous))
    else:
        assert book.apply(difference(first, last, previous=previous)) is result


@pytest.mark.parametrize(
    ("is_futures", "first", "previous", "is_gap"),
    [
        pytest.param(False, 106, None, False, id="spot follows"),
        pytest.param(False, 107, None, True, id="spot gap"),
        pytest.param(True, 150, 105, False, id="futures follow by pu, whatever U says"),
        pytest.param(True, 106, 104, True, id="futures gap"),
    ],
)
def test_builder__next_difference__follows_or_starts_over(
    is_futures: bool, first: int, previous: int | None, is_gap: bool
) -> None:
    builder = BookBuilder(is_futures=is_futures)
    builder.take(difference(95, 105, previous=94))
    assert builder.take_snapshot(snapshot())
    assert builder.take(difference(first, 160, previous=previous)) is not is_gap
    assert builder.gaps == int(is_gap)
    assert (builder.book is None) is is_gap
    assert builder.needs_snapshot is is_gap


def test_builder__snapshot_older_than_the_first_difference__asks_for_another() -> None:
    builder = BookBuilder(is_futures=False)
    builder.take(difference(150, 160))
    assert not builder.take_snapshot(snapshot(100))
    assert builder.needs_snapshot
    assert builder.take_snapshot(snapshot(155))
    assert builder.book is not None
    assert builder.book.last == 160


def test_book__levels_of_no_quantity_in_the_snapshot__are_left_out() -> None:
    levels = [("10.5", "0.00000000"), ("10.0", "1")]
    book = OrderBook(DepthSnapshot(100, bids=levels, asks=[("11.0", "0"), ("12.0", "2")]), is_futures=False)
    assert book.top(5) == ([("10.0", "1")], [("12.0", "2")])


def test_builder__book_that_stays_crossed__is_not_shown_and_built_anew() -> None:
    builder = BookBuilder(is_futures=False)
    builder.take(difference(101, 101))
    assert builder.take_snapshot(snapshot())
    assert builder.take(difference(102, 102, [("11.5", "1")])) is False
    assert builder.take(difference(103, 103, [("11.5", "0")])) is True
    shown = [builder.take(difference(n, n, [("11.5", "1")])) for n in range(104, 104 + MAX_CROSSED)]
    assert shown == [False] * MAX_CROSSED
    assert (builder.book, builder.gaps, builder.needs_snapshot) == (None, 1, True)


def test_book__levels__are_replaced_removed_and_sorted() -> None:
    book = OrderBook(snapshot(), is_futures=False)
    book.apply(difference(101, 101, [("10.0", "0.000"), ("9.0", "7"), ("9.5", "3"), ("8.0", "0")]))
    assert book.top(5)[0] == [("9.5", "3"), ("9.0", "7")]
    assert book.top(1)[1] == [("11.0", "1")]


def test_builder__levels_beyond_the_snapshot__are_renewed_while_the_book_stays_in_use() -> None:
    builder = BookBuilder(is_futures=False)
    builder.take(difference(95, 101))
    builder.take_snapshot(snapshot())
    assert builder.book is not None
    assert not builder.book.is_beyond_snapshot(2)
    builder.take(difference(102, 102, [("10.0", "0"), ("8.0", "1")]))
    assert builder.book.is_beyond_snapshot(2)
    builder.renew()
    assert builder.take(difference(103, 103, [("8.5", "1")]))
    assert builder.needs_snapshot
    fresh = DepthSnapshot(102, bids=[("9.0", "2"), ("8.8", "4"), ("8.0", "1")], asks=[("11.0", "1")])
    assert builder.take_snapshot(fresh)
    assert builder.book.top(4)[0] == [("9.0", "2"), ("8.8", "4"), ("8.5", "1"), ("8.0", "1")]
