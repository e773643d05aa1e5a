"""Publishes the simulated market in its own time, as if it were an exchange."""

import asyncio
import time
from dataclasses import dataclass

from nats.errors import OutboundBufferLimitError

from realtime_runtime.feeds.publishing import REPLAY_HEADERS, connected
from realtime_runtime.feeds.report import say
from realtime_runtime.feeds.simulated.simulated_market import simulated_market
from service_kit.nats_connection import NatsAccess

MAX_BEHIND_SECONDS = 1.0
"""A feed that cannot keep up (a stopped or slow machine) gives up on being in time rather than send in bursts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """``speed`` lets the market's time run faster than the clock; ``rate`` is books a second and symbol."""

    nats_url: str
    topic: str
    seed: int = 1
    rate: int = 10
    speed: float = 1.0
    nats_access: NatsAccess = NatsAccess()


async def simulate(options: SimulateOptions) -> None:
    """Publish until cancelled. While NATS is away the market goes on, and what does not fit is not sent."""
    start_ms = int(time.time() * 1000)
    market = simulated_market(
        seed=options.seed, start_ms=start_ms, topic=options.topic, snapshots_per_second=options.rate
    )
    async with connected(options.nats_url, name="feed-simulate", access=options.nats_access) as client:
        say(f"simulated market: 6 symbols, seed {options.seed}, to {options.topic}; every message says it is simulated")
        started = time.monotonic()
        unsent = 0
        for message in market:
            due = started + (message.time_ms - start_ms) / 1000 / options.speed
            behind = time.monotonic() - due
            if behind < 0:
                await asyncio.sleep(-behind)
            elif behind > MAX_BEHIND_SECONDS:
                started += behind
            try:
                await client.publish(message.subject, message.payload, headers=REPLAY_HEADERS)
            except OutboundBufferLimitError:
                unsent += 1
                continue
            if unsent:
                say(f"simulated market: {unsent:,} messages were not sent while NATS was away")
                unsent = 0
