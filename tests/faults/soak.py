"""An exchange that sends recorded messages without end and cuts its clients off again and again, and what to ask of it.

A message counts as sent when a client was there to take it. What was sent within ``IN_FLIGHT_SECONDS`` before a cut was
on its way, and may be lost with the connection; nothing else may.
"""

import asyncio
import json
import time
from bisect import bisect_left
from collections.abc import Iterable
from itertools import cycle, pairwise

import psutil

from tests.feeds.servers.binance import SimulatedBinance

TRADE = "btcusdt@trade"
DEPTH = "btcusdt@depth20@100ms"
STREAMS = (TRADE, DEPTH)
IN_FLIGHT_SECONDS = 0.5
ROUND_SECONDS = 0.02
MESSAGES_A_ROUND = 6


class RestlessExchange:
    """Plays recorded messages on a simulated Binance as if they were made now, each with a number of its own."""

    def __init__(self, server: SimulatedBinance, lines: Iterable[tuple[str, str]]) -> None:
        self._server = server
        self._messages = cycle([(stream, json.loads(line)["data"]) for stream, line in lines])
        self.number = 0
        self.sent_at: dict[int, float] = {}
        self.cut_at: list[float] = []

    async def play(self) -> None:
        """Send for ever, some 300 messages a second."""
        while True:
            for _ in range(MESSAGES_A_ROUND):
                await self._send_next()
            await asyncio.sleep(ROUND_SECONDS)

    async def cut(self) -> None:
        """Cut every client off."""
        self.cut_at.append(time.monotonic())
        await self._server.drop()

    def lost(self, arrived: set[int]) -> tuple[list[int], list[int]]:
        """(numbers lost in flight, numbers lost otherwise) of what was sent and has not arrived."""
        in_flight, otherwise = [], []
        for number, sent_at in self.sent_at.items():
            if number in arrived:
                continue
            next_cut = bisect_left(self.cut_at, sent_at - 0.001)
            is_cut = next_cut < len(self.cut_at) and self.cut_at[next_cut] - sent_at <= IN_FLIGHT_SECONDS
            (in_flight if is_cut else otherwise).append(number)
        return in_flight, otherwise

    def longest_away_seconds(self) -> float:
        """The longest time in which nobody was there to take a message."""
        times = sorted(self.sent_at.values())
        return max(after - before for before, after in pairwise(times))

    async def _send_next(self) -> None:
        stream, recorded = next(self._messages)
        self.number += 1
        now = time.time_ns() // 1_000_000
        if stream == TRADE:
            data = recorded | {"t": self.number, "E": now, "T": now}
        else:
            data = recorded | {"lastUpdateId": self.number}
        sent_at = time.monotonic()
        if await self._server.send(stream, data):
            self.sent_at[self.number] = sent_at


def number_of(payload: bytes) -> int:
    """The number under which the exchange has sent a message."""
    data = json.loads(payload)["data"]
    return int(data.get("t") or data["lastUpdateId"])


class MemoryLog:
    """Resident memory of some processes over time."""

    def __init__(self, **pids: int) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.samples: dict[str, list[float]] = {name: [] for name in pids}

    def sample(self) -> None:
        """Note how much each holds now, in MB."""
        for name, process in self._processes.items():
            self.samples[name].append(process.memory_info().rss / 2**20)

    def growth(self) -> dict[str, tuple[float, float]]:
        """(MB in the second quarter of the time, MB in the last one) of each: means."""
        found = {}
        for name, samples in self.samples.items():
            quarter = max(1, len(samples) // 4)
            second, last = samples[quarter : 2 * quarter], samples[-quarter:]
            found[name] = (sum(second) / len(second), sum(last) / len(last))
        return found
