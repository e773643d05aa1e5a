"""What became of the messages that the engine took. Pure."""

from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from typing import TypeVar

from strategy_core.market.event_kinds import EVENT_KINDS, EventKind, EventKinds

K = TypeVar("K")
MAX_UNKNOWN_TYPES = 100
OTHER_TYPES = "other"


@dataclass(slots=True)
class EngineCounters:
    """What became of the messages since the start.

    Each received message is in exactly one of ``decoded`` (it reached the strategies), ``unused`` and
    ``unknown`` (by stream type, undecoded), ``foreign`` (another runtime's symbol), ``stale`` (too old to
    trade on), ``malformed`` (no JSON, or no stream), ``bad_input`` (JSON whose content makes no sense) and, by
    kind, ``untimely`` (its time and the host's clock cannot both be right), ``out_of_order`` (older than what is
    known), ``implausible`` (a price or figure that cannot be the symbol's own), ``no_market_trade`` (a print of
    the insurance fund or the like) and ``depth_diff`` (a difference labelled as a book).
    """

    kinds: InitVar[EventKinds] = EVENT_KINDS
    received: int = 0
    decoded: dict[str, int] = field(init=False)
    unused: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    malformed: int = 0
    bad_input: int = 0
    foreign: int = 0
    stale: int = 0
    untimely: dict[str, int] = field(init=False)
    out_of_order: dict[str, int] = field(init=False)
    implausible: dict[str, int] = field(init=False)
    no_market_trade: int = 0
    depth_diff: int = 0
    without_market: dict[str, int] = field(init=False)
    """Of ``decoded``, by kind: observations that nothing was traded on, since their symbol has no recent price."""
    signals: dict[tuple[str, str], int] = field(default_factory=dict)
    """By (strategy, action)."""
    strategy_errors: dict[str, int] = field(default_factory=dict)
    unusable_decisions: dict[str, int] = field(default_factory=dict)
    """By strategy: decisions without a tradable price, stop or target; not sent."""
    unpriced: dict[str, int] = field(default_factory=dict)
    """By quote (``unknown``: the symbol's name ends in none): decisions whose worth in dollars is not known."""

    def __post_init__(self, kinds: EventKinds) -> None:
        self.decoded, self.untimely, self.out_of_order, self.implausible = (_zeros(kinds.every) for _ in range(4))
        self.without_market = _zeros(kinds.observations)

    @property
    def errors(self) -> int:
        """Messages that could not be used plus exceptions out of strategies."""
        return self.malformed + self.bad_input + sum(self.strategy_errors.values())

    def set_aside(self) -> dict[tuple[str, str], int]:
        """What was not decoded and has no stream type of its own, by (kind or "", outcome); zeros among them."""
        plain = ("foreign", "stale", "malformed", "bad_input")
        counts = {("", outcome): getattr(self, outcome) for outcome in plain}
        counts[("trade", "no_market_trade")] = self.no_market_trade
        counts[("depth", "depth_diff")] = self.depth_diff
        for outcome in ("untimely", "out_of_order", "implausible"):
            counts |= {(kind, outcome): number for kind, number in getattr(self, outcome).items()}
        return counts

    def count_unknown(self, stream_type: str) -> None:
        """Count an unknown stream type, by name as long as the names are few."""
        is_named = stream_type in self.unknown or len(self.unknown) < MAX_UNKNOWN_TYPES
        count(self.unknown, stream_type if is_named else OTHER_TYPES)


def _zeros(kinds: Iterable[EventKind]) -> dict[str, int]:
    return dict.fromkeys((kind.name for kind in kinds), 0)


def count(counts: dict[K, int], key: K) -> None:
    """Raise one count by one."""
    counts[key] = counts.get(key, 0) + 1
