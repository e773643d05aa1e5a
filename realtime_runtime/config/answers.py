"""What the runtime answers to each change, and what it says of refused documents."""

from collections.abc import Mapping, Sequence

import structlog

from realtime_runtime.config.acks import AckOutbox
from realtime_runtime.config.condition import ConfigCounters
from realtime_runtime.config.state import Rejection, Update
from service_kit.names import listed
from service_kit.timings import WAIT_BOUNDS, Histogram
from strategy_core.configuration.change_stream import SetMember

log = structlog.get_logger(__name__)


class Answers:
    """Answers on their way to the site. ``propagation`` is from publication to application, of every change."""

    def __init__(self, outbox: AckOutbox, counters: ConfigCounters) -> None:
        self.outbox = outbox
        self.propagation = Histogram(WAIT_BOUNDS)
        self._counters = counters

    def applied(
        self,
        sequence: int,
        *,
        at_ms: float = 0.0,
        published_at_ms: float = 0.0,
        left_out: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """The change is in force since ``at_ms``, but for the parameters ``left_out``, by field."""
        # Never negative, whatever the clocks of two hosts, or one set back, make of it; in whole microseconds.
        latency = round(max(0.0, at_ms - published_at_ms), 3) if published_at_ms else None
        if latency is not None:
            self._counters.last_latency_ms = latency
            self.propagation.observe(latency / 1000)
        unknown = sorted({name for names in (left_out or {}).values() for name in names})
        if unknown:
            log.warning("config.parameters_left_out", sequence=sequence, parameters=unknown)
        note = f"Applied without parameters that this runtime does not know: {listed(unknown)}." if unknown else None
        self.outbox.add(sequence, latency_ms=latency, error=note)

    def rejected(self, sequence: int, rejections: Sequence[Rejection]) -> None:
        """One answer for each document that was refused."""
        self.report(sequence, rejections)
        for rejection in rejections:
            self.outbox.add(sequence, is_applied=False, error=rejection.reason, field=rejection.field)

    def of(
        self,
        update: Update,
        sequence: int,
        *,
        at_ms: float,
        published_at_ms: float,
        members: Sequence[SetMember] = (),
    ) -> None:
        """The answer to the change that ``update`` was, or to each of the ``members`` of a set.

        A refused document is acknowledged for the last change of the set that altered it.
        """
        if members:
            blamed = [
                max((m.sequence for m in members if m.touches(each.field)), default=sequence)
                for each in update.rejected
            ]
            for member in members:
                own = [each for each, blame in zip(update.rejected, blamed, strict=True) if blame == member.sequence]
                if own:
                    self.rejected(member.sequence, own)
                else:
                    self.applied(
                        member.sequence, at_ms=at_ms, published_at_ms=published_at_ms, left_out=update.left_out
                    )
        elif update.rejected:
            self.rejected(sequence, update.rejected)
        else:
            self.applied(sequence, at_ms=at_ms, published_at_ms=published_at_ms, left_out=update.left_out)

    def report(self, sequence: int, rejections: Sequence[Rejection]) -> None:
        """Count and log refused documents that nobody waits to hear of."""
        self._counters.rejected += len(rejections)
        for rejection in rejections:
            log.error("config.document_rejected", field=rejection.field, sequence=sequence, reason=rejection.reason)
