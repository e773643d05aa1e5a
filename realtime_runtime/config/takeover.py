"""What a complete read of Redis puts in force: all of it, or as much as can be believed where something is missing."""

import structlog

from realtime_runtime.config.answers import Answers
from realtime_runtime.config.condition import SAFE_POLICIES, ConfigCondition, ConfigCounters
from realtime_runtime.config.reading import CompleteRead
from realtime_runtime.config.state import LiveConfig, Update
from service_kit.names import listed
from strategy_core.configuration import change_stream

ACKS_AFTER_RELOAD = 500

log = structlog.get_logger(__name__)


class Takeover:
    """Puts complete reads in force. ``is_repair_due``: the last one lacked something that the site can rewrite."""

    def __init__(
        self, live: LiveConfig, condition: ConfigCondition, counters: ConfigCounters, answers: Answers
    ) -> None:
        self.is_repair_due = False
        self._live = live
        self._condition = condition
        self._counters = counters
        self._answers = answers

    def take(self, found: CompleteRead, update: Update, notice: change_stream.Change | None, now_ms: float) -> bool:
        """Put a read in force, whose documents are checked in ``update``; true where that changed anything.

        ``notice``: the site's notice that led to it, if one did.
        """
        self._counters.reloads += 1
        self._note_policy(found.policy)
        is_told = _is_told(found, notice)
        if found.sequence is None:
            return self._take_documents_alone(found, update, now_ms)
        if found.sequence < self._live.sequence and not is_told:
            return self._take_switches_alone(found.sequence, update, now_ms)
        return self._take_all(found, found.sequence, update, notice, now_ms)

    def _take_all(
        self, found: CompleteRead, sequence: int, update: Update, notice: change_stream.Change | None, now_ms: float
    ) -> bool:
        """Also where the site says that the sequence went back."""
        outbox = self._answers.outbox
        # Where the sequence went back, what is answered from there on are other changes.
        outbox.answered = min(outbox.answered, sequence)
        before, is_first, self._condition.is_populated = self._live.sequence, not self._condition.is_populated, True
        self._note_known()
        is_changed = self._live.replace(
            update,
            sequence=sequence,
            now_ms=now_ms,
            lost=found.lost(self._live.strategy_fields),
            is_told=_is_told(found, notice),
        )
        self._note_damage(found, update)
        if notice is not None or is_changed:
            for passed in range(max(before + 1, outbox.answered + 1, sequence - ACKS_AFTER_RELOAD), sequence):
                self._answers.applied(passed)
            if notice is not None or update.rejected or sequence > outbox.answered:
                published_at_ms = 0.0 if notice is None else notice.published_at_ms
                self._answers.of(update, sequence, at_ms=now_ms, published_at_ms=published_at_ms)
        if is_first or is_changed:
            log.info("config.loaded", sequence=sequence, before=before, documents=len(self._live.documents))
        return is_changed

    def _take_documents_alone(self, found: CompleteRead, update: Update, now_ms: float) -> bool:
        """Without the sequence: documents count that are not older than what is held, and nothing is gone."""
        self._condition.is_populated = False
        self._note_known()
        lost = found.lost(self._live.strategy_fields)
        sequence = self._live.sequence
        is_changed = self._live.replace(update, sequence=sequence, now_ms=now_ms, lost=lost, is_told=False)
        self._answers.report(sequence, update.rejected)
        self._note_damage(found, update)
        return is_changed

    def _take_switches_alone(self, sequence: int, update: Update, now_ms: float) -> bool:
        """Redis went back, and nobody has said that this is right: what it says is off is off, the rest stays."""
        self._condition.is_populated = False
        is_changed = self._live.restrain(update, now_ms)
        self._set_damage(f"Redis is behind, at change {sequence}: this runtime has applied {self._live.sequence}")
        return is_changed

    def _note_damage(self, found: CompleteRead, update: Update) -> None:
        missing = [
            *([] if found.sequence is not None else ["the sequence"]),
            *([] if found.written or found.written is None else ["the list of what was written"]),
            *sorted(update.damaged),
        ]
        if found.written:
            missing += [f"the sequence of {field}" for field in sorted(found.documents.keys() - found.written)]
        self._set_damage(f"Redis lacks, or has older than here: {listed(missing)}" if missing else None)

    def _set_damage(self, damage: str | None) -> None:
        self.is_repair_due = damage is not None
        if damage is not None:
            self._counters.damaged += 1
        if damage != self._condition.damage:
            if damage is None:
                log.info("config.redis_repaired", sequence=self._live.sequence)
            else:
                log.error("config.redis_damaged", problem=damage, sequence=self._live.sequence)
        self._condition.damage = damage

    def _note_known(self) -> None:
        if not self._condition.is_known:
            self._condition.is_known, self._condition.is_waiting = True, False
            self._live.set_base(held_back=None)

    def _note_policy(self, policy: str) -> None:
        if policy != self._condition.policy and policy not in SAFE_POLICIES:
            log.warning("config.redis_may_evict", maxmemory_policy=policy)
        self._condition.policy = policy


def _is_told(found: CompleteRead, notice: change_stream.Change | None) -> bool:
    return found.is_told or (notice is not None and not notice.is_partial)
