"""The messages that the benchmarks run on: 60 % depth20, 30 % trades, 10 % tickers, in order of time."""

import gzip
import itertools
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDING = "market/spot-20240808.jsonl.gz"
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TICKERS_A_DEPTH = 1 / 6
TRADES_A_DEPTH = 1 / 2
SAMPLE_DEPTHS = 6_000
_TIMES = re.compile(rb'"(E|T|O|C|ts)":(\d{13})\b')
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mix:
    """Envelopes with their recorded times, and what they are made of."""

    payloads: tuple[bytes, ...]
    span_ms: int
    description: str

    def messages(self) -> Iterator[bytes]:
        """The payloads again and again, each time later by the span, so that event time never turns back."""
        for number in itertools.count():
            shift_ms = number * self.span_ms
            for payload in self.payloads:
                yield _shifted(payload, shift_ms)

    def passes(self) -> Iterator[list[bytes]]:
        """The same, one pass over the payloads at a time, made before it is handed out."""
        messages = self.messages()
        while True:
            yield list(itertools.islice(messages, len(self.payloads)))


def load_mix() -> Mix:
    """The mix from recorded data (``MARKET_DATA_DIR``, else ``../shared/data``), else from a generated sample."""
    recording = Path(os.environ.get("MARKET_DATA_DIR") or DEFAULT_DATA) / RECORDING
    if recording.exists():
        with gzip.open(recording) as lines:
            messages = [json.loads(line) for line in lines]
        source = f"recorded data ({recording.name})"
    else:
        messages = _generated()
        source = f"a GENERATED SAMPLE, since {recording} is not there"
    depths = [m for m in messages if "@depth" in m["stream"]]
    trades = [m for m in messages if "@trade" in m["stream"]]
    chosen_trades = _evenly(trades, int(len(depths) * TRADES_A_DEPTH))
    tickers = _evenly(_tickers(trades), int(len(depths) * TICKERS_A_DEPTH))
    mixed = sorted([*depths, *chosen_trades, *tickers], key=lambda m: m["ts"])
    return Mix(
        payloads=tuple(json.dumps(m, separators=(",", ":")).encode() for m in mixed),
        span_ms=mixed[-1]["ts"] - mixed[0]["ts"] + 1_000,
        description=(
            f"{len(mixed):,} messages from {source}: {len(depths):,} depth20, {len(chosen_trades):,} trades, "
            f"{len(tickers):,} tickers. No series of tickers is recorded: they are made from the trades' prices."
        ),
    )


def _shifted(payload: bytes, shift_ms: int) -> bytes:
    if not shift_ms:
        return payload
    return _TIMES.sub(lambda found: b'"%s":%d' % (found[1], int(found[2]) + shift_ms), payload)


def _evenly(messages: list[Line], wanted: int) -> list[Line]:
    """``wanted`` of the messages, spread over all of them."""
    return [messages[at * len(messages) // wanted] for at in range(wanted)]


def _tickers(trades: list[Line]) -> list[Line]:
    """A 24-hour ticker after each trade, at its price, with the volume risen by it; the other fields are for size."""
    volumes: dict[str, float] = {}
    tickers = []
    for trade in trades:
        data, ts = trade["data"], trade["ts"]
        symbol = data["s"]
        volumes[symbol] = volumes.get(symbol, 50_000.0) + float(data["q"])
        tickers.append(
            {
                "stream": f"{symbol.lower()}@ticker",
                "data": {
                    "e": "24hrTicker", "E": ts, "s": symbol, "p": "-65.00000000", "P": "-0.693", "w": data["p"],
                    "x": data["p"], "c": data["p"], "Q": data["q"], "b": data["p"], "B": "0.32000000", "a": data["p"],
                    "A": "0.35414300", "o": data["p"], "h": data["p"], "l": data["p"], "v": f"{volumes[symbol]:.8f}",
                    "q": "455442476.18534620", "O": ts - 86_400_000, "C": ts, "F": 343178738, "L": 343729077,
                    "n": 550340,
                },
                "ts": ts,
            }
        )  # fmt: skip
    return tickers


def _generated() -> list[Line]:
    """A seeded market of two symbols in the shape of the recorded one: a book and three trades each 100 ms."""
    dice = random.Random(1)  # noqa: S311  # a benchmark's dice, no secret
    messages: list[Line] = []
    prices = {"BTCUSDT": 60_000.0, "ETHUSDT": 2_600.0}
    for step in range(SAMPLE_DEPTHS):
        ts = 1_723_161_255_000 + step * 100
        for symbol in prices:
            price = prices[symbol] = prices[symbol] * (1.0 + dice.gauss(0.0, 0.00002))
            sides = {
                name: [
                    [f"{price + sign * 0.01 * level:.8f}", f"{dice.expovariate(1.0) + 0.001:.8f}"]
                    for level in range(1, 21)
                ]
                for name, sign in (("bids", -1), ("asks", 1))
            }
            messages.append(
                {"stream": f"{symbol.lower()}@depth20@100ms", "data": {"lastUpdateId": step, **sides}, "ts": ts}
            )
            for number in range(3):
                data = {
                    "e": "trade", "E": ts, "s": symbol, "t": 3 * step + number, "p": f"{price:.8f}",
                    "q": f"{dice.expovariate(20.0) + 0.00001:.8f}", "T": ts, "m": dice.random() < 0.5, "M": True,
                }  # fmt: skip
                messages.append({"stream": f"{symbol.lower()}@trade", "data": data, "ts": ts})
    return messages
