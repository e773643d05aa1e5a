"""The engine's speed on one core, from a message's bytes to its decisions: ``python -m benchmarks.engine``.

Prints medians of interleaved runs with their spread, and ratios to baselines measured in the same run.
Times are CPU time of this process, so that the machine's other work counts as little as it can.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

import orjson

from benchmarks.market import Mix, load_mix
from benchmarks.measure import LEAST_RUNS, Sample, interleave, machine, noise, table
from strategy_core.engine.active import ActiveConfig, ActiveConfigs, Layers
from strategy_core.engine.engine import Engine
from strategy_core.market.routing import Router
from strategy_core.strategies.base import Strategy
from strategy_core.strategies.registry import STRATEGIES

FLOOR_PER_SECOND = 60_000
GOAL_PER_SECOND = 120_000
PARAMETER_READ_LIMIT_NS = 100
MEMORY_MESSAGES = 5_000_000
MEMORY_SAMPLE = 500_000
READS = 200_000
ALL = "engine, all strategies"
NONE = "engine, no strategy"
JSON = "decode: json, dict and float"

Strategies = Mapping[str, type[Strategy[Any]]]


def main() -> None:
    """Run what the command line asks for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--runs", type=int, default=LEAST_RUNS, help=f"runs of each case, at least {LEAST_RUNS}")
    parser.add_argument("--memory", action="store_true", help=f"instead: memory over {MEMORY_MESSAGES:,} messages")
    arguments = parser.parse_args()
    mix = load_mix()
    print(machine())
    print(mix.description)
    print()
    if arguments.memory:
        report_memory(mix)
    else:
        report_speed(mix, arguments.runs)
        print()
        report_parameter_reads(arguments.runs)
    print(noise())


def report_speed(mix: Mix, runs: int) -> None:
    """Decoding alone, the engine with all strategies, and what each strategy adds to the engine without any."""
    cases = {
        JSON: decoding(mix, lambda payload: as_numbers(json.loads(payload))),
        "decode: orjson, dict and float": decoding(mix, lambda payload: as_numbers(orjson.loads(payload))),
        "decode: msgspec, typed (the engine's)": decoding(mix, routed_decode()),
        NONE: deciding(mix, {}),
        ALL: deciding(mix, STRATEGIES),
        **{strategy_id: deciding(mix, {strategy_id: STRATEGIES[strategy_id]}) for strategy_id in STRATEGIES},
    }
    samples = interleave(cases, runs=runs)
    rows = [
        (name, f"{s.median:.2f}", f"{1e6 / s.median:,.0f}", f"{s.spread:.0%}", f"{s.ratio(samples[JSON]):.2f}")
        for name, s in samples.items()
        if name not in STRATEGIES
    ]
    print(table(("CPU time, one core", "us/message", "messages/s", "spread", "ratio to json"), rows))
    rate = 1e6 / samples[ALL].median
    print(
        f"{len(STRATEGIES)} strategies: {rate:,.0f} messages/s; floor {FLOOR_PER_SECOND:,}, goal {GOAL_PER_SECOND:,}."
    )
    print()
    costs = {
        strategy_id: Sample(
            tuple(own - base for own, base in zip(samples[strategy_id].values, samples[NONE].values, strict=True))
        )
        for strategy_id in STRATEGIES
    }
    added = [(key, f"{c.median:.2f}", f"{min(c.values):.2f} to {max(c.values):.2f}") for key, c in costs.items()]
    print(table(("one strategy adds, over the mix", "us/message", "runs from and to"), added))


def report_parameter_reads(runs: int) -> None:
    """One parameter, as a strategy reads it, beside looking its value up by strategy and symbol."""
    parameters: Any = STRATEGIES["orderbook_skew"].parameters().record
    by_layer = {
        (strategy_id, "BTCUSDT"): strategy.parameters().model_dump() for strategy_id, strategy in STRATEGIES.items()
    }

    def loop() -> float:
        started = time.process_time_ns()
        for _ in repeat(None, READS):
            pass
        return (time.process_time_ns() - started) / READS

    def attribute() -> float:
        started = time.process_time_ns()
        for _ in repeat(None, READS):
            parameters.top_levels  # noqa: B018  # the read is what is measured
        return (time.process_time_ns() - started) / READS

    def lookup() -> float:
        strategy_id, symbol = "orderbook_skew", "BTCUSDT"
        started = time.process_time_ns()
        for _ in repeat(None, READS):
            by_layer[strategy_id, symbol]["top_levels"]
        return (time.process_time_ns() - started) / READS

    cases = {"attribute of the frozen parameters": attribute, "dict of (strategy, symbol)": lookup}
    samples = interleave({"loop": loop, **cases}, runs=runs)
    rows = [
        (name, f"{samples[name].median - samples['loop'].median:.0f}", f"{samples[name].spread:.0%}") for name in cases
    ]
    print(table(("one parameter read in the hot path", "ns", "spread"), rows))
    print(f"Limit {PARAMETER_READ_LIMIT_NS} ns.")


def report_memory(mix: Mix) -> None:
    """Resident memory while one engine takes 5 million messages, event time going on."""
    engine, taken = new_engine(STRATEGIES), 0
    rows = []
    for payloads in mix.passes():
        for payload in payloads:
            engine.market(payload, received_ms=0, is_replay=True)
            taken += 1
            if taken % MEMORY_SAMPLE == 0:
                rows.append((f"{taken:,}", f"{resident_bytes() / 1e6:.1f}"))
        if taken >= MEMORY_MESSAGES:
            break
    print(table(("messages", "resident MB (with the mix itself)"), rows))
    print(f"signals {sum(engine.counters.signals.values()):,}, errors {engine.counters.errors:,}")


def decoding(mix: Mix, decode: Callable[[bytes], object]) -> Callable[[], float]:
    """A case: decode each message and forget it. Microseconds a message."""
    return timed(mix, decode)


def deciding(mix: Mix, strategies: Strategies) -> Callable[[], float]:
    """A case: one engine decides on each message, its state warm from the passes before. Microseconds a message."""
    market = new_engine(strategies).market
    return timed(mix, lambda payload: market(payload, received_ms=0, is_replay=True))


def timed(mix: Mix, take: Callable[[bytes], object]) -> Callable[[], float]:
    """Run ``take`` over the next pass of the mix."""
    passes = mix.passes()

    def run() -> float:
        payloads = next(passes)
        gc.collect()
        started = time.process_time_ns()
        for payload in payloads:
            take(payload)
        return (time.process_time_ns() - started) / 1_000 / len(payloads)

    return run


def resident_bytes() -> int:
    """This process's resident memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def new_engine(strategies: Strategies) -> Engine:
    """An engine on defaults, every strategy switched on."""
    layers: Layers = {
        (key, None): ActiveConfig(True, strategy.parameters(), 0, 0, 0) for key, strategy in strategies.items()
    }
    return Engine(strategies, ActiveConfigs(layers), owns_symbol=lambda _: True, message_ttl_ms=0)


def routed_decode() -> Callable[[bytes], object]:
    """The engine's own decoding: the route by the payload's start, then one typed pass."""
    router = Router(lambda _: True)

    def decode(payload: bytes) -> object:
        route = router.known.get(router.prefix(payload)) or router.find(payload)
        return None if route.decode is None else route.decode(payload)

    return decode


def as_numbers(message: dict[str, Any]) -> object:
    """The same numbers out of a plain dict."""
    data = message["data"]
    if "bids" in data:
        return [[(float(price), float(quantity)) for price, quantity in data[side]] for side in ("bids", "asks")]
    return [float(data[name]) for name in (("p", "q") if "p" in data and "m" in data else ("c", "v"))]


if __name__ == "__main__":
    main()
