"""The engine on every recorded file: all decoded, all counted, twice the same."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strategy_core.engine.engine import Engine
from strategy_core.engine.signals import Signal, encode
from strategy_core.market.routing import StreamUse, route_stream
from strategy_core.strategies.registry import STRATEGIES
from tests.engine.builders import global_layers, make_engine

FILES = (
    "binance-ws-singles",
    "coinm-20210722-alts",
    "coinm-20220610-markprice-all",
    "spot-20200619-miniticker-all",
    "spot-20211012-alts",
    "spot-20230405-nobook",
    "spot-20240808",
    "spot-20240808.bookticker",
    "spot-20240808.raw-diffs",
    "tickers-from-rest-24hr",
    "usdm-20210722-alts",
    "usdm-20220609-miniticker-all",
    "usdm-20220609-ticker-all",
    "usdm-20220610-markprice-all",
    "usdm-20230404",
    "usdm-20240808",
    "usdm-20240808.bookticker",
)
KIND_OF = {
    "trade": "trade",
    "aggTrade": "trade",
    "ticker": "ticker",
    "depth5": "depth",
    "depth20": "depth",
}
"""The recorded stream types that strategies use; every other one is to be counted as unused."""


def lines_of(market_data: Path, name: str) -> list[bytes]:
    with gzip.open(market_data / "market" / f"{name}.jsonl.gz") as lines:
        return [line.rstrip(b"\n") for line in lines]


def manifest(market_data: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((market_data / "MANIFEST.json").read_text())
    return facts


def stream_types(streams: dict[str, int]) -> Counter[str]:
    """Messages by stream type, read off the names independently of the routing: without speed and interval."""
    types: Counter[str] = Counter()
    for stream, count in streams.items():
        types[stream.split("@")[1].split("_")[0]] += count
    return types


def play(engine: Engine, lines: list[bytes]) -> list[Signal]:
    return [s for line in lines for s in engine.market(line, received_ms=1, is_replay=True)]


def test_recorded_files__in_the_folder__are_the_ones_tested_here(market_data: Path) -> None:
    assert {f"{name}.jsonl.gz" for name in FILES} == {path.name for path in (market_data / "market").iterdir()}


@pytest.mark.parametrize("name", FILES)
def test_recorded_file__played_through_all_strategies__is_decoded_and_counted_in_full(
    market_data: Path, name: str
) -> None:
    facts = manifest(market_data)[f"market/{name}.jsonl.gz"]
    engine, _ = make_engine(*STRATEGIES.values())
    play(engine, lines_of(market_data, name))
    counters = engine.counters
    decoded: Counter[str] = Counter()
    unused: Counter[str] = Counter()
    for stream_type, count in stream_types(facts["streams"]).items():
        if stream_type in KIND_OF:
            decoded[KIND_OF[stream_type]] += count
        else:
            unused[stream_type] += count
    # One of the recorded trades is a print of the insurance fund.
    decoded["trade"] -= counters.no_market_trade
    assert counters.no_market_trade == (name == "usdm-20230404")
    assert counters.received == facts["rows"]
    assert {kind: n for kind, n in counters.decoded.items() if n} == +decoded
    assert counters.unused == unused
    others = {key: n for key, n in counters.set_aside().items() if key != ("trade", "no_market_trade")}
    assert (set(others.values()), counters.errors, counters.unknown) == ({0}, 0, {})
    assert (counters.strategy_errors, counters.unusable_decisions) == ({}, {})


def test_recorded_stream_names__routed__name_their_symbol_and_a_known_type(market_data: Path) -> None:
    streams = {line.split(b'"', 4)[3].decode() for name in FILES for line in lines_of(market_data, name)}
    assert len(streams) > 400
    for stream in streams:
        route = route_stream(stream)
        assert route.use in {StreamUse.USED, StreamUse.UNUSED}, stream
        assert route.symbol == stream.split("@")[0].upper()


def test_recorded_book_and_trades__played_twice__give_the_same_signals(market_data: Path) -> None:
    lines = lines_of(market_data, "spot-20240808")
    engine, _ = make_engine(*STRATEGIES.values())
    first = play(engine, lines)
    fresh, _ = make_engine(*STRATEGIES.values())
    assert len(first) > 20
    assert [encode(s) for s in play(fresh, lines)] == [encode(s) for s in first]
    # The same engine, replaying the file a second time, begins its symbols anew.
    assert [encode(s) for s in play(engine, lines)] == [encode(s) for s in first]


def test_config_swap__between_two_halves__shows_from_the_next_message_on(market_data: Path) -> None:
    lines = lines_of(market_data, "spot-20240808")
    half = len(lines) // 2
    engine, config = make_engine(*STRATEGIES.values())
    before = play(engine, lines[:half])
    layers = global_layers(*STRATEGIES.values())
    config.swap({key: replace(layer, sequence=7, global_version=2) for key, layer in layers.items()})
    after = play(engine, lines[half:])
    unchanged, _ = make_engine(*STRATEGIES.values())
    assert [s.id for s in (*before, *after)] == [s.id for s in play(unchanged, lines)]
    assert before
    assert {s.metadata["config"]["sequence"] for s in before} == {0}
    assert after
    assert {(s.metadata["config"]["sequence"], s.metadata["config"]["global_version"]) for s in after} == {(7, 2)}
