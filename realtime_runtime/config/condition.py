"""How well the runtime knows its configuration, in figures and in the words of /ready. Pure."""

from dataclasses import dataclass
from typing import Literal

from realtime_runtime.config.state import LiveConfig
from service_kit.names import listed

ColdStart = Literal["defaults", "hold"]
SAFE_POLICIES = ("", "noeviction")


@dataclass(slots=True)
class ConfigCounters:
    """What happened since the start. ``acks_lost``: acknowledgements that Redis did not take.

    ``damaged``: complete reads of Redis that lacked something.
    """

    changes: int = 0
    reloads: int = 0
    gaps: int = 0
    rejected: int = 0
    expired: int = 0
    outages: int = 0
    damaged: int = 0
    acks_lost: int = 0
    snapshot_failures: int = 0
    last_latency_ms: float = 0.0


@dataclass(slots=True)
class ConfigCondition:
    """What the configuration stands on.

    ``is_known``: a snapshot or Redis has told of it. Until then ``is_waiting``, for ``cold_start_seconds`` at most, and
    after that ``cold_start`` says what holds. ``damage`` is what Redis lacks, ``policy`` its maxmemory-policy.
    """

    cold_start: ColdStart
    cold_start_seconds: float
    is_connected: bool = False
    is_populated: bool = False
    is_known: bool = True
    is_waiting: bool = False
    snapshot_refusal: str | None = None
    damage: str | None = None
    policy: str = ""

    @property
    def may_evict(self) -> bool:
        """Whether Redis may drop the configuration when its memory is full."""
        return self.policy not in SAFE_POLICIES

    def held_back(self) -> str:
        """Why nothing trades where nothing is known."""
        if self.is_waiting:
            return f"waiting up to {self.cold_start_seconds:g} s for the configuration"
        return "no configuration is known (COLD_START=hold)"

    def degraded(self, live: LiveConfig) -> str | None:
        """Why the configuration may not be the site's, or None."""
        sources = self._sources()
        if not self.is_known:
            return f"{self._nothing_known()}: {sources}" if sources else self._nothing_known()
        reasons = [f"{sources}; trading on the last good configuration"] if sources else []
        refused = live.refused
        if refused:
            idle = live.held_back
            reasons.append(
                f"{len(refused)} refused: {listed([each.field for each in refused])}"
                + (f"; not trading: {listed(sorted(idle))}" if idle else "")
            )
        return "; ".join(reasons) or None

    def warnings(self, live: LiveConfig) -> list[str]:
        """What should be mended although the configuration is the site's."""
        found = []
        if self.may_evict:
            found.append(
                f"Redis' maxmemory-policy is {self.policy}: it may evict the configuration when its memory is full. "
                "Set maxmemory-policy noeviction."
            )
        if live.left_out:
            names = sorted(f"{field} {name}" for field, unknown in live.left_out.items() for name in unknown)
            found.append(f"Parameters that this version does not know are ignored: {listed(names)}.")
        return found

    def _sources(self) -> str:
        if not self.is_connected:
            return "Redis cannot be reached"
        if self.damage is not None:
            return self.damage
        return "" if self.is_populated else "nothing is published in Redis"

    def _nothing_known(self) -> str:
        what = "nothing is known of the configuration, the snapshot "
        what += "is missing" if self.snapshot_refusal is None else f"was refused ({self.snapshot_refusal})"
        if self.is_waiting:
            return f"{what}; {self.held_back()}, nothing trades"
        if self.cold_start == "hold":
            return f"{what}; nothing trades (COLD_START=hold)"
        return f"{what}; trading on environment and defaults (COLD_START=defaults), whatever was switched off"
