"""From the store to Redis, after the commit: every sequence is one entry of the stream, once, in order.

The database is the source of truth. A change that cannot be published now is published by the next write or by the
worker.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from prometheus_client import Counter, Histogram

from service_kit import tracing
from service_kit.timings import CALL_BOUNDS
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.history import checkpoints, halt_rows
from strategy_config.models import ConfigAudit, Halt
from strategy_config.publication import change_entries
from strategy_config.publication.document_format import document_format
from strategy_config.publication.state import PublicationState, state_after, whole_state
from strategy_config.redis import redis_client
from strategy_config.resolution import item_failures, known_strategies
from strategy_config.resolution.layer_documents import FieldState
from strategy_config.selectors import known_halts
from strategy_core.configuration import redis_keys, wire_documents, wire_json
from strategy_core.configuration.halts import Halts
from strategy_core.strategies.registry import STRATEGIES

FARTHEST_BEHIND = 1_000
ATTEMPTS = 10
# Writers commit one after another and publish right after: the one before may be a moment late.
PREDECESSOR_SECONDS = 0.1
PREDECESSOR_POLL_SECONDS = 0.001
NEAR_BEHIND = 16
NOTHING_PUBLISHED = -1
START_ANEW = -2

log = structlog.get_logger(__name__)
_changes = Counter("configsite_changes", "Accepted changes.", ["action", "channel"])
_publications = Histogram(
    "configsite_publication_seconds",
    "Publication of a commit to Redis: published, postponed (it will be published later).",
    ["outcome"],
    buckets=CALL_BOUNDS,
)


@dataclass(frozen=True, slots=True)
class CacheRewrite:
    """What a rewrite of Redis found: documents there now, their sequence, the fields that were wrong."""

    entries: int
    sequence: int
    repaired: tuple[str, ...]


def publish(changes: Sequence[ConfigAudit], states: Mapping[str, FieldState]) -> bool:
    """Tell Redis of committed changes, and of those before them that it has missed.

    Answers whether it knows them now. Never raises: what is committed is never answered as refused.
    """
    for change in changes:
        _changes.labels(change.action, change.channel).inc()
    started = time.perf_counter()
    with tracing.span("config.publish", kind="producer", attributes={"config.sequence": changes[-1].told_sequence}):
        is_published = False
        with item_failures.contained("publication", sequence=changes[-1].told_sequence):
            is_published = _publish(changes, states)
    outcome = "published" if is_published else "postponed"
    _publications.labels(outcome).observe(time.perf_counter() - started)
    return is_published


def _publish(changes: Sequence[ConfigAudit], states: Mapping[str, FieldState]) -> bool:
    predecessor = changes[0].told_sequence - 1
    layers = _layers(states)
    give_up_at = time.monotonic() + PREDECESSOR_SECONDS
    try:
        entries, is_covered = _entries(changes, layers), False
        while True:
            done = redis_client.publish(predecessor, layers, entries, is_covered=is_covered, **_halts_of(changes))
            if done.is_written:
                _cover_after(changes)
                return True
            if done.is_halted:
                layers, is_covered = _layers(states, _halts_in_force()), True
                entries = _entries(changes, layers)
                continue
            is_on_its_way = predecessor - NEAR_BEHIND <= done.last < predecessor
            if done.last == NOTHING_PUBLISHED or not is_on_its_way or time.monotonic() > give_up_at:
                return _catch_up(done.last)
            time.sleep(PREDECESSOR_POLL_SECONDS)
    except (RedisUnavailableError, StoreUnavailableError) as exception:
        log.info("publication.postponed", sequence=changes[-1].told_sequence, error=str(exception))
        return False


def publish_pending() -> bool:
    """Bring Redis to the database's sequence; false if that has to wait. For the worker and at start."""
    try:
        return _catch_up(last_published())
    except (RedisUnavailableError, StoreUnavailableError) as exception:
        log.info("publication.postponed", error=str(exception))
        return False


def rewrite_all(*, is_forced: bool) -> CacheRewrite:
    """Compare Redis with the store and rewrite it where it differs, or anyway where ``is_forced``.

    Runtimes are told to read everything anew when anything was written. Raises RedisUnavailableError,
    StoreUnavailableError.
    """
    for _ in range(ATTEMPTS):
        if not _catch_up(last_published()):
            continue
        state = whole_state()
        layers = _layers(state.states, _halts_in_force(), is_format_fresh=True)
        try:
            found, listed = _documents_there()
        except RedisUnavailableError:
            _start_anew()
            return CacheRewrite(len(layers), state.sequence, tuple(state.states))
        layers = [each for each in layers if not _is_of_another_version(state.states[each[0]], found.get(each[0]))]
        wanted = {field: document for field, _, document in layers}
        ownerless = [field for field in {**found, **dict.fromkeys(listed)} if field not in state.fields]
        differing = [field for field in wanted if found.get(field) != wanted[field] or field not in listed]
        wrong = (*differing, *ownerless)
        halts = _missing_halts()
        if not (wrong or halts or is_forced):
            return CacheRewrite(len(found), state.sequence, ())
        # A document that another version wrote better is listed again, should its sequence be lost.
        layers.extend((field, state.states[field].sequence, found[field]) for field in _unlisted(state, found, listed))
        layers.extend((field, state.sequence, b"") for field in ownerless)
        notice = change_entries.reload_notice(state.sequence)
        if redis_client.publish(state.sequence, layers, [notice], **halts).is_written:
            wrong = tuple(each for each in wrong if not _differ_in_format_alone(found.get(each), wanted.get(each)))
            if wrong:
                log.warning("shared_cache.repaired", fields=wrong[:20], count=len(wrong), sequence=state.sequence)
            return CacheRewrite(len({**found, **wanted}.keys() - ownerless), state.sequence, wrong)
    raise RedisUnavailableError("Other writers were faster each time.")


def rewrite_in_another_format() -> None:
    """Rewrite everything where the strategies' documents are not in the format that the live runtimes read."""
    wanted = document_format.current(is_fresh=True)
    fields = [redis_keys.field_name(strategy_id, None) for strategy_id in STRATEGIES]
    try:
        found: Any = redis_client.run(lambda client: client.hmget(redis_client.keys().config, fields), is_patient=True)
        if any(raw is not None and wire_documents.format_of(raw) not in {None, wanted} for raw in found):
            rewrite_all(is_forced=False)
            log.info("documents.rewritten", format=wanted)
    except (RedisUnavailableError, StoreUnavailableError) as exception:
        log.info("documents.rewrite_postponed", format=wanted, error=str(exception))


def repair_where_asked() -> bool:
    """Rewrite everything where a runtime has found something missing; false where that has to wait."""
    key = redis_client.keys().repair
    try:
        asked: Any = redis_client.run(lambda client: client.get(key), is_patient=True)
        if asked is None:
            return True
        rewrite_all(is_forced=True)
        redis_client.run(lambda client: client.delete(key))
    except (RedisUnavailableError, StoreUnavailableError) as exception:
        log.warning("repair.postponed", error=str(exception))
        # A user of Redis from before this key was read; the regular comparison repairs as well, only later.
        return isinstance(exception, RedisUnavailableError) and exception.is_forbidden
    log.warning("shared_cache.repaired_where_asked", problem=asked.decode(errors="replace"))
    return True


def _catch_up(last: int) -> bool:
    """From ``last``, the last sequence published, to the store's; starts anew where that is no way."""
    for _ in range(ATTEMPTS):
        state = None if last == NOTHING_PUBLISHED else state_after(last, limit=FARTHEST_BEHIND)
        if state is not None and last > state.sequence:
            # Redis is about to lose what it holds; the check of the history must not.
            _note_rewound(last, state.sequence)
        if state is None or last > state.sequence:
            _start_anew()
            last = last_published()
            continue
        if last == state.sequence:
            return True
        layers = _layers(state.states, _halts_in_force())
        entries = _entries(state.changes, layers)
        is_written, last, _ = redis_client.publish(last, layers, entries, **_halts_of(state.changes))
        if is_written:
            _cover_after(state.changes)
            log.info("publication.caught_up", changes=len(state.changes), sequence=state.sequence)
            return True
    return False


def _note_rewound(told: int, stored: int) -> None:
    try:
        checkpoints.note_rewound(told=told, stored=stored)
    except RedisUnavailableError as exception:
        # Perhaps rights in Redis from before there was such a note: publishing must not wait for them.
        log.error("shared_cache.rewind_not_noted", told=told, stored=stored, error=str(exception))


def _is_of_another_version(state: FieldState, found: bytes | None) -> bool:
    """Whether a version of the site that has the strategy, which this code lacks, wrote this state better.

    It knew the default of a switch that nobody has moved, and the parameters in full.
    """
    if found is None or known_strategies.is_known(state.document.config.strategy_id):
        return False
    try:
        theirs = wire_documents.decode_document(found).config
    except wire_json.WireError:
        return False
    ours = state.document.config
    is_switch_equal = theirs.enabled == ours.enabled or state.is_switch_unknown
    return is_switch_equal and (theirs.sequence, theirs.own) == (ours.sequence, ours.own)


def _differ_in_format_alone(found: bytes | None, wanted: bytes | None) -> bool:
    """Whether Redis had the right document, written in another format."""
    if found is None or wanted is None:
        return False
    try:
        return wire_documents.stored_document(found) == wire_documents.stored_document(wanted)
    except wire_json.WireError:
        return False


def _start_anew() -> None:
    state = whole_state()
    redis_client.publish(
        START_ANEW,
        _layers(state.states, _halts_in_force()),
        [change_entries.reload_notice(state.sequence)],
        halts=halt_rows.in_force(known_halts.open_halts()),
        resumed=halt_rows.ended(known_halts.ended_halts()),
    )
    log.warning("shared_cache.started_anew", sequence=state.sequence, fields=len(state.states))


def tell_resumed(halts: Sequence[Halt]) -> None:
    """Tell runtimes once more that these halts have ended. Raises RedisUnavailableError."""
    for _ in range(ATTEMPTS):
        last = last_published()
        notice = change_entries.reload_notice(max(last, 0), is_partial=True)
        if redis_client.publish(last, [], [notice], resumed=halt_rows.ended(halts)).is_written:
            return
    raise RedisUnavailableError("Other writers were faster each time.")


def _halts_of(changes: Sequence[ConfigAudit]) -> dict[str, Any]:
    """What the changes say of halts, as arguments of `redis_client.publish`."""
    found = {"halts": halt_rows.set_by(changes), "resumed": halt_rows.ended_by(changes)}
    return {name: pairs for name, pairs in found.items() if pairs}


def _missing_halts() -> dict[str, Any]:
    """What Redis lacks of halts, as arguments of `redis_client.publish`; empty where it lacks nothing."""
    keys = redis_client.keys()
    try:
        found: Any = redis_client.run(lambda client: (client.hgetall(keys.halts), client.hgetall(keys.resumed)))
    except RedisUnavailableError as exception:
        if not exception.is_forbidden:
            raise
        log.error("shared_cache.halts_refused", error=str(exception))
        return {}
    there, resumed = ({field.decode(errors="replace") for field in fields} for fields in found)
    halts = [each for each in halt_rows.in_force(known_halts.open_halts()) if each[0] not in there]
    ended = [each for each in halt_rows.ended(known_halts.ended_halts()) if each[0] not in resumed]
    return {"halts": halts, "resumed": ended} if halts or ended else {}


def _documents_there() -> tuple[dict[str, bytes], set[str]]:
    """The documents by field, and the fields that are listed with a sequence."""
    keys = redis_client.keys()

    def read(client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.hgetall(keys.config)
        pipeline.hkeys(keys.sequences)
        return pipeline.execute()

    found, listed = redis_client.run(read)
    documents = {field.decode(errors="replace"): document for field, document in found.items()}
    return documents, {field.decode(errors="replace") for field in listed}


def _unlisted(state: PublicationState, found: Mapping[str, bytes], listed: set[str]) -> list[str]:
    return [
        field
        for field, document in found.items()
        if field not in listed and field in state.states and _is_of_another_version(state.states[field], document)
    ]


def last_published() -> int:
    """The last sequence published in Redis, NOTHING_PUBLISHED if none; raises RedisUnavailableError."""
    key = redis_client.keys().sequence
    found = redis_client.run(lambda client: client.get(key), is_patient=True)
    return int(found) if found is not None and found.isdigit() else NOTHING_PUBLISHED


def is_published(sequence: int) -> bool:
    """Whether every change up to this one is known to be published in Redis."""
    try:
        return last_published() >= sequence
    except RedisUnavailableError:
        return False


def _entries(changes: Sequence[ConfigAudit], layers: change_entries.Layers) -> list[tuple[str, bytes]]:
    """The stream's entries; what is too large for it is in Redis when this returns."""
    told = change_entries.told(changes, layers)
    try:
        redis_client.keep_sets(told.apart)
    except RedisUnavailableError as exception:
        if not exception.is_forbidden:
            raise
        # A user of Redis from before there were sets: larger entries then.
        told = change_entries.told(changes, layers, is_apart_allowed=False)
    return told.entries


def _layers(
    states: Mapping[str, FieldState], halts: Halts | None = None, *, is_format_fresh: bool = False
) -> list[tuple[str, int, bytes]]:
    """(field, sequence, document); with ``halts``, as those leave the documents on the wire."""
    written = document_format.current(is_fresh=is_format_fresh)
    found = []
    for field, state in states.items():
        with item_failures.contained("document", field=field):
            document = state.document if halts is None else _under(halts, state.document)
            found.append((field, state.sequence, wire_documents.encode_document(document, written)))
    return found


def _halts_in_force() -> Halts:
    """As the store has them."""
    halts = Halts()
    halts.add(halt_rows.stored_record(row) for row in known_halts.open_halts())
    return halts


def _under(halts: Halts, document: wire_documents.Document) -> wire_documents.Document:
    """What a runtime of a version without halts may read of the document: nothing that is halted is switched on."""
    is_halted = halts.is_halted(document.config.strategy_id, document.config.symbol)
    return document.covered() if is_halted else document


def _cover_after(changes: Sequence[ConfigAudit]) -> None:
    """Have the documents say what halts that were set or ended leave of them. Best effort: `rewrite_all` does it, too.

    Runtimes that know halts have them by now. Others read the documents anew where a halt has ended.
    """
    if not any(halt_rows.is_halt(change) for change in changes):
        return
    with item_failures.contained("halt", sequence=changes[-1].told_sequence):
        for _ in range(ATTEMPTS):
            last = last_published()
            differing = _differently_covered(_halts_in_force())
            is_over = any(document.wanted is msgspec.UNSET for _, _, document in differing)
            notices = [change_entries.reload_notice(last, is_partial=True)] if is_over else []
            written = document_format.current()
            layers = [
                (field, sequence, wire_documents.encode_document(document, written))
                for field, sequence, document in differing
            ]
            if not layers or redis_client.publish(last, layers, notices).is_written:
                return


def _differently_covered(halts: Halts) -> list[tuple[str, int, wire_documents.Document]]:
    """The documents in Redis that say something else than these halts leave of them, as they should be."""
    found = []
    for field, raw in _documents_there()[0].items():
        with item_failures.contained("document", field=field):
            stored = wire_documents.stored_document(raw)
            document = stored.uncovered()
            should_be = _under(halts, document)
            if stored.is_covered != (should_be is not document):
                found.append((field, document.config.sequence, should_be))
    return found
