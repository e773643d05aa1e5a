"""What the runtimes' heartbeats say: the feed that they trade on and the symbols that they have seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils import timezone

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.observed import runtimes
from strategy_core.configuration import runtime_reports

SILENT_SECONDS = 12.0
FeedKind = Literal["live", "simulated", "replay", "quiet", "silent", "none", "unknown"]
Heartbeats = Sequence[runtime_reports.Heartbeat] | None
"""None: Redis is unreachable, nothing is known."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What the runtimes trade on, for the top of every page."""

    kind: FeedKind
    text: str
    detail: str


UNKNOWN_FEED = Feed("unknown", "Runtimes unknown", "Redis is unreachable: the state of the runtimes is unknown.")


def latest() -> Heartbeats:
    """The newest heartbeat of each live runtime."""
    try:
        return runtimes.live_runtimes()
    except RedisUnavailableError:
        return None


def feed_now() -> Feed:
    """The feed as the latest heartbeats report it."""
    return feed_of(latest(), timezone.now())


def feed_of(heartbeats: Heartbeats, at: datetime) -> Feed:
    """The feed of these runtimes: whatever is least like a live market comes first."""
    if heartbeats is None:
        return UNKNOWN_FEED
    if not heartbeats:
        return Feed("none", "No runtime", f"No runtime has been seen for {runtime_reports.HEARTBEAT_TTL_SECONDS} s.")
    silence = min(runtimes.silent_seconds(beat, at) for beat in heartbeats)
    if silence > SILENT_SECONDS:
        return Feed("silent", "Runtime silent", f"No runtime has been seen for {silence:.0f} s.")
    sources = {beat.market_source for beat in heartbeats}
    if "simulated" in sources:
        return Feed("simulated", "Simulated feed", "The market data is simulated: no signal here means anything.")
    if "replay" in sources:
        return Feed("replay", "Replayed feed", "The market data is a replay of an earlier recording.")
    if "live" in sources:
        return Feed("live", "Live feed", "The market data comes from the exchange.")
    return Feed("quiet", "No market data", "The runtimes are up, but no market data has reached them yet.")


def seen_symbols(heartbeats: Heartbeats) -> list[str]:
    """The symbols that the runtimes have seen, in order; none where that is unknown."""
    return sorted({symbol for beat in heartbeats or () for symbol in beat.symbols})


def is_unseen(symbol: str, heartbeats: Heartbeats) -> bool:
    """Whether the runtimes have seen symbols, but never this one; False where that is unknown."""
    seen = seen_symbols(heartbeats)
    return bool(seen) and symbol not in seen
