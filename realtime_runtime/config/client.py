"""The live configuration: reads Redis for ever and keeps ``LiveConfig`` up to date.

Complete reads (at each connection, after a gap, on a reload notice, and every ``ttl_seconds``) and the changes
between them. Whatever happens to Redis, what was last good stays in force; what Redis lacks is asked for.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import RedisError

from realtime_runtime.config import confirmation, reading, traces
from realtime_runtime.config.acks import AckOutbox
from realtime_runtime.config.answers import Answers
from realtime_runtime.config.condition import ColdStart, ConfigCondition, ConfigCounters
from realtime_runtime.config.connection import Command, RedisConnection, refuse_error
from realtime_runtime.config.halt_reader import HaltReader, HaltsInMemory, TakesHalts
from realtime_runtime.config.keeping import SnapshotKeeper
from realtime_runtime.config.state import LiveConfig, Rejection, Update
from realtime_runtime.config.takeover import Takeover
from service_kit.backoff import Backoff
from service_kit.outage import Outage
from service_kit.timings import Histogram
from strategy_core.configuration import change_stream, redis_keys, wire_json

BLOCK_MS = 2_000
REPLY_TIMEOUT_SECONDS = BLOCK_MS / 1000 + 2
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_LAST_SECONDS = 2.0
BATCH = 100
SLICE = 32
CLOCK_CHECK_SECONDS = 5.0
UNKEPT = "in force, but the file of halts (HALTS_PATH) cannot be written: it would be lost by a restart without Redis"
DAMAGE_CHECK_SECONDS = 3.0
REPAIR_SECONDS = 60

_Content = tuple[Mapping[str, bytes | None], Sequence[change_stream.SetMember]]
log = structlog.get_logger(__name__)


class ConfigClient:
    """Follows ``<prefix>:changes``. ``load_snapshot`` first, then the four ``run…`` as tasks.

    ``attempted`` is set when the first attempt to read Redis has ended, well or not.
    """

    def __init__(
        self,
        live: LiveConfig,
        *,
        redis_url: str,
        prefix: str,
        instance_id: str,
        ttl_seconds: float,
        snapshot_path: Path,
        halting: TakesHalts | None = None,
        cold_start: ColdStart = "defaults",
        cold_start_seconds: float = 30.0,
    ) -> None:
        self.live = live
        self.counters = ConfigCounters()
        self.condition = ConfigCondition(cold_start, cold_start_seconds)
        self.attempted = asyncio.Event()
        self._url = redis_url
        self._keys = redis_keys.Keys(prefix)
        self._ttl_seconds = ttl_seconds
        self._snapshots = SnapshotKeeper(live, self.counters, path=snapshot_path, prefix=prefix)
        self.halts = HaltReader(self._keys, halting or HaltsInMemory(live.active))
        self._acks = AckOutbox(self._keys.acks, instance_id)
        self._answers = Answers(self._acks, self.counters)
        self._takeover = Takeover(live, self.condition, self.counters, self._answers)
        self._last_id: bytes = b"0-0"
        self._notice: change_stream.Change | None = None
        self._outage = Outage("config.redis_lost", "config.redis_recovered")
        self._contact_at = self._loaded_at = time.monotonic()
        self._changed = asyncio.Event()
        self._advanced = asyncio.Event()
        self._known = asyncio.Event()

    @property
    def propagation(self) -> Histogram:
        """From publication to application, of every change."""
        return self._answers.propagation

    @property
    def is_connected(self) -> bool:
        """Whether Redis answers."""
        return self.condition.is_connected

    @property
    def stale_seconds(self) -> float:
        """Seconds since Redis last answered; before the first answer since the start."""
        return time.monotonic() - self._contact_at

    @property
    def degraded(self) -> str | None:
        """Why the configuration, or a halt, may not be the site's, or None."""
        reasons = [self.condition.degraded(self.live)]
        if self.halts.problem:
            reasons.append(f"the halts in Redis cannot be read: {self.halts.problem}")
        return "; ".join(reason for reason in reasons if reason) or None

    def load_snapshot(self) -> None:
        """Put the last good configuration on disk in force; without one nothing trades until ``run_cold_start``."""
        saved = self._snapshots.load()
        self.condition.snapshot_refusal = self._snapshots.refusal
        if saved is None:
            self.condition.is_known, self.condition.is_waiting = False, True
            self.live.set_base(held_back=self.condition.held_back())
            return
        update = Update()
        for field, raw in saved.documents.items():
            self.live.check(field, raw, update)
        self._answers.report(saved.sequence, update.rejected)
        missing = self.live.strategy_fields - saved.documents.keys()
        self.live.replace(update, sequence=saved.sequence, now_ms=_now_ms(), lost=missing)
        if missing:
            log.error("config.snapshot_incomplete", missing=sorted(missing))
        log.info(
            "config.snapshot_loaded", sequence=saved.sequence, documents=len(update.accepted), saved_at=saved.saved_at
        )

    async def run(self) -> None:
        """Read Redis for ever; reconnects with a growing, jittered pause. Logs once an outage and on recovery."""
        backoff = Backoff(BACKOFF_FIRST_SECONDS, BACKOFF_LAST_SECONDS)
        while True:
            try:
                async with RedisConnection(self._url, name=f"{self._keys.prefix}-config") as connection:
                    await self._recall_acks(connection)
                    await self._load(connection)
                    backoff.reset()
                    await self._follow(connection)
            except (RedisError, OSError, TimeoutError) as exception:
                self._note_outage(exception)
            finally:
                self.condition.is_connected = False
                self.attempted.set()
            await asyncio.sleep(backoff.next_wait())

    async def run_cold_start(self) -> None:
        """Where nothing is known: wait for Redis, then do what ``cold_start`` says. Returns when that is settled."""
        if self.condition.is_known:
            return
        try:
            async with asyncio.timeout(self.condition.cold_start_seconds):
                await self._known.wait()
        except TimeoutError:
            self.condition.is_waiting = False
            is_hold = self.condition.cold_start == "hold"
            self.live.set_base(held_back=self.condition.held_back() if is_hold else None)
            log.error("config.cold_start", reason=self.degraded)

    async def run_expiry(self) -> None:
        """Switch layers that expire, at their instant by the wall clock."""
        while True:
            self._changed.clear()
            now_ms = _now_ms()
            switched = self.live.switch_expired(now_ms)
            if switched:
                self.counters.expired += len(switched)
                log.info("config.expired", fields=switched)
            expiry = self.live.next_expiry_ms(now_ms)
            # Never longer than a few seconds: the wall clock may be set meanwhile.
            wait = CLOCK_CHECK_SECONDS if expiry is None else min((expiry - now_ms) / 1000, CLOCK_CHECK_SECONDS)
            try:
                async with asyncio.timeout(max(wait, 0.001)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def run_snapshots(self) -> None:
        """Save the configuration after changes, at most twice a second, without holding up anything else."""
        await self._snapshots.run()

    async def save_snapshot(self) -> bool:
        """Save what has changed since the last time; false where that failed (logged, counted, to be tried again)."""
        return await self._snapshots.save()

    async def confirm_stops(self) -> None:
        """Return when what Redis held at the time of the call is in force, or when it cannot be asked."""
        await confirmation.confirm(self._url, self._keys, self.halts, self._reached)

    async def _reached(self, sequence: int) -> None:
        while self.condition.is_populated and self.live.sequence < sequence:
            self._advanced.clear()
            await self._advanced.wait()

    async def flush_acks(self) -> None:
        """Send the answers that still wait, on a connection of their own; for the end. Raises RedisError, OSError."""
        if not self._acks:
            return
        async with RedisConnection(self._url, name=f"{self._keys.prefix}-acks") as connection:
            await self._recall_acks(connection)
            self._acks.take_off(await connection.exchange(self._acks.commands()))

    async def _follow(self, connection: RedisConnection) -> None:
        """Apply changes as they come; returns never, raises when the connection fails."""
        while True:
            if time.monotonic() - self._loaded_at >= self._reload_seconds:
                await self._load(connection)
            requests, acks = self._requests(), self._acks.commands()
            commands = [*requests, *acks, ("GET", self._keys.sequence)]
            streams = {self._keys.changes: self._last_id, **self.halts.streams()}
            commands.append(
                ("XREAD", "COUNT", BATCH, "BLOCK", self._block_ms(), "STREAMS", *streams, *streams.values())
            )
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                *replies, published, news = await connection.exchange(commands)
            self._contact_at = time.monotonic()
            self._acks.take_off(replies[len(requests) :])
            self.counters.acks_lost = self._acks.lost
            found = {stream.decode(): entries for stream, entries in refuse_error(news) or ()}
            await self.halts.take_news(found.get(self._keys.told_halts, ()))
            entries = found.get(self._keys.changes, ())
            if await self._take_in(connection, reading.sequence_of(published), entries):
                with traces.span("config.load", self._notice):
                    await self._load(connection)

    def _requests(self) -> list[Command]:
        """Ask the site for what Redis lacks, once after each read that found it so."""
        if not self._takeover.is_repair_due:
            return []
        self._takeover.is_repair_due = False
        return [("SET", self._keys.repair, self.condition.damage or "", "EX", REPAIR_SECONDS)]

    async def _recall_acks(self, connection: RedisConnection) -> None:
        async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
            (reply,) = await connection.exchange([self._acks.recall_command()])
        self._acks.recall(reply)

    async def _take_in(self, connection: RedisConnection, published: int | None, entries: Sequence[Any]) -> bool:
        """Apply the entries in order; true where everything has to be read anew.

        ``published`` is the sequence that stood in Redis before the wait for entries.
        """
        for entry_id, fields in entries:
            self._last_id = entry_id
            if not await self._apply(connection, entry_id, fields):
                return True
        is_followed = self.condition.is_populated
        # Without new entries the stream must have brought us to what is published; else it was cut or set back.
        return not is_followed or published is None or (not entries and published != self.live.sequence)

    async def _apply(self, connection: RedisConnection, entry_id: bytes, fields: Sequence[bytes]) -> bool:
        """Apply one entry; false where that takes a complete read."""
        try:
            change = change_stream.decode_change(redis_keys.stream_payload(fields))
        except wire_json.WireError as exception:
            rejection = Rejection(field=self._keys.changes, reason=str(exception), raw=b"")
            self._answers.rejected(int(entry_id.split(b"-")[0]), [rejection])
            return False
        if change.kind == "reload":
            self._notice = change
            return False
        # Whatever happens to the sequence, a halt that arrived holds.
        is_kept = await self.halts.take_change(change)
        if not (self.condition.is_populated and self.halts.is_readable(change)):
            return False
        if change.sequence <= self.live.sequence:
            return True
        if (change.first_sequence or change.sequence) != self.live.sequence + 1:
            self.counters.gaps += 1
            log.warning("config.gap", expected=self.live.sequence + 1, sequence=change.sequence)
            return False
        with traces.span("config.apply", change):
            return await self._put_in_force(connection, change, is_kept=is_kept)

    async def _put_in_force(self, connection: RedisConnection, change: change_stream.Change, *, is_kept: bool) -> bool:
        content = await self._content_of(connection, change)
        if content is None:
            return False
        documents, members = content
        update = await self._check(documents)
        self.live.merge(update, sequence=change.sequence, now_ms=_now_ms())
        self.counters.changes += max(1, len(members))
        if not is_kept:
            update.rejected.append(Rejection(self._keys.halts, UNKEPT, b""))
        times = {"at_ms": _now_ms(), "published_at_ms": change.published_at_ms}
        self._answers.of(update, change.sequence, members=members, **times)
        self._note_change()
        log.info(
            "config.rejected" if update.rejected else "config.applied",
            sequence=change.sequence,
            first_sequence=change.first_sequence,
            strategy_id=change.strategy_id,
            symbol=change.symbol,
            action=change.action,
            version=change.version,
            changed_by=change.changed_by,
            request_id=change.request_id,
            documents=len(documents),
            latency_ms=self.counters.last_latency_ms,
        )
        return True

    async def _content_of(self, connection: RedisConnection, change: change_stream.Change) -> _Content | None:
        """The documents of a change, or of a set with its members; None where one that must be there is missing."""
        if change.first_sequence is None:
            documents = await self._documents_of(connection, change)
            return None if documents is None else (documents, ())
        content = change.content
        if content is None:
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                (raw,) = await connection.exchange([("GET", self._keys.change_set(change.sequence))])
            try:
                content = change_stream.decode_set(raw if isinstance(raw, bytes) else b"")
            except wire_json.WireError as exception:
                log.warning("config.set_unreadable", sequence=change.sequence, error=str(exception))
                return None
        return {field: bytes(raw) for field, raw in content.documents.items()}, content.members

    async def _documents_of(
        self, connection: RedisConnection, change: change_stream.Change
    ) -> dict[str, bytes | None] | None:
        """The documents of one change. Gone is what is not listed either."""
        documents: dict[str, bytes | None] = {field: bytes(raw) for field, raw in change.documents.items()}
        if change.fields:
            names = (self._keys.config, self._keys.sequences)
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                replies = await connection.exchange([("HMGET", name, *change.fields) for name in names])
            found, written = refuse_error(replies[0]), replies[1]
            # Who may not read what was written cannot tell a layer that is gone from one that is lost.
            sequences = found if isinstance(written, Exception) else written
            for field, raw, sequence in zip(change.fields, found, sequences, strict=True):
                if raw is None and (sequence is not None or isinstance(written, Exception)):
                    return None
                documents[field] = raw
        return documents

    async def _load(self, connection: RedisConnection) -> None:
        """Read everything at one instant and put it in force, as far as it is whole."""
        async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
            found, halts = await reading.read_all(connection, self._keys, self.halts.commands())
        await self.halts.take(halts)
        self._contact_at = self._loaded_at = time.monotonic()
        self._last_id = found.newest_id
        self._note_connected()
        if found.is_empty:
            self._note_unpopulated()
            return
        update = await self._check(found.documents)
        notice, self._notice = self._notice, None
        if self._takeover.take(found, update, notice, _now_ms()):
            self._note_change()
        self._known.set()
        self.attempted.set()

    async def _check(self, documents: Mapping[str, bytes | None]) -> Update:
        """Check many documents in slices, so that market data is not held up meanwhile."""
        update = Update()
        for count, (field, raw) in enumerate(documents.items(), start=1):
            self.live.check(field, raw, update)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        return update

    @property
    def _reload_seconds(self) -> float:
        """Sooner than usual while Redis lacks something."""
        return self._ttl_seconds if self.condition.damage is None else min(self._ttl_seconds, DAMAGE_CHECK_SECONDS)

    def _block_ms(self) -> int:
        """Until the next complete read, at most ``BLOCK_MS``; never 0, which would be for ever."""
        remaining = self._reload_seconds - (time.monotonic() - self._loaded_at)
        return max(1, min(BLOCK_MS, int(remaining * 1000)))

    def _note_change(self) -> None:
        self._changed.set()
        self._advanced.set()
        self._snapshots.mark()

    def _note_connected(self) -> None:
        self._outage.worked(outages=self.counters.outages)
        self.condition.is_connected = True

    def _note_outage(self, exception: Exception) -> None:
        if self._outage.failed(exception, sequence=self.live.sequence):
            self.counters.outages += 1

    def _note_unpopulated(self) -> None:
        if self.condition.is_populated or not self.attempted.is_set():
            log.warning("config.unpublished", prefix=self._keys.prefix, sequence=self.live.sequence)
        self.condition.is_populated = False
        self.attempted.set()


def _now_ms() -> float:
    return time.time() * 1000
