"""The live configuration: reads Redis for ever and keeps ``LiveConfig`` up to date.

Complete reads (at each connection, after a gap, on a reload notice, and every ``ttl_seconds``) and the changes
between them. Whatever happens to Redis, what was last good stays in force.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import RedisError

from realtime_runtime.config import snapshot, traces, wire
from realtime_runtime.config.acks import AckOutbox
from realtime_runtime.config.connection import RedisConnection, refuse_error
from realtime_runtime.config.halt_reader import HaltReader, TakesHalts
from realtime_runtime.config.state import LiveConfig, Rejection, Update
from realtime_runtime.timings import WAIT_BOUNDS, Histogram

BLOCK_MS = 2_000
REPLY_TIMEOUT_SECONDS = BLOCK_MS / 1000 + 2
BACKOFF_SECONDS = (0.05, 2.0)
BATCH = 100
SLICE = 32
ACKS_AFTER_RELOAD = 500
SNAPSHOT_DEBOUNCE_SECONDS = 0.5
SNAPSHOT_RETRY_SECONDS = 30.0
CLOCK_CHECK_SECONDS = 5.0
UNKEPT = "in force, but the file of halts (HALTS_PATH) cannot be written: a restart without Redis would not know it"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ConfigCounters:
    """What happened since the start. ``acks_lost``: acknowledgements that Redis did not take."""

    changes: int = 0
    reloads: int = 0
    gaps: int = 0
    rejected: int = 0
    expired: int = 0
    outages: int = 0
    acks_lost: int = 0
    snapshot_failures: int = 0
    last_latency_ms: float = 0.0


class ConfigClient:
    """Follows ``<prefix>:changes``. ``load_snapshot`` first, then the three ``run_…`` as tasks.

    ``attempted`` is set when the first attempt to read Redis has ended, well or not. ``propagation`` is from
    publication to application, of every change.
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
        halting: TakesHalts,
    ) -> None:
        self.live = live
        self.counters = ConfigCounters()
        self.propagation = Histogram(WAIT_BOUNDS)
        self.attempted = asyncio.Event()
        self._url = redis_url
        self._keys = wire.Keys(prefix)
        self._instance_id = instance_id
        self._ttl_seconds = ttl_seconds
        self._snapshot_path = snapshot_path
        self.halts = HaltReader(self._keys, halting)
        self._acks = AckOutbox(self._keys.acks, instance_id)
        self._last_id: bytes = b"0-0"
        self._notice: wire.Change | None = None
        self._is_populated = False
        self.is_connected = False
        self._is_outage_logged = False
        self._contact_at = self._loaded_at = time.monotonic()
        self._changed = asyncio.Event()
        self._unsaved = asyncio.Event()

    @property
    def stale_seconds(self) -> float:
        """Seconds since Redis last answered; before the first answer since the start."""
        return time.monotonic() - self._contact_at

    @property
    def degraded(self) -> str | None:
        """Why the configuration may be out of date, or None."""
        if not self.is_connected:
            return "Redis cannot be reached; trading on the last good configuration"
        if not self._is_populated:
            return "nothing is published in Redis; trading on the last good configuration"
        if self.halts.problem:
            return f"the halts in Redis cannot be read: {self.halts.problem}"
        return None

    def load_snapshot(self) -> None:
        """Put the last good configuration on disk in force; a file that cannot be used is logged and left aside."""
        try:
            saved = snapshot.read(self._snapshot_path, prefix=self._keys.prefix)
        except (snapshot.SnapshotError, OSError) as exception:
            log.error("config.snapshot_ignored", path=str(self._snapshot_path), error=str(exception))
            return
        if saved is None:
            return
        update = Update()
        for field, raw in saved.documents.items():
            self.live.check(field, raw, update)
        self._report_rejected(update.rejected, saved.sequence)
        self.live.replace(update, sequence=saved.sequence, now_ms=_now_ms())
        log.info(
            "config.snapshot_loaded", sequence=saved.sequence, documents=len(update.accepted), saved_at=saved.saved_at
        )

    async def run(self) -> None:
        """Read Redis for ever; reconnects with a growing, jittered pause. Logs once an outage and on recovery."""
        pause, longest = BACKOFF_SECONDS
        while True:
            try:
                async with RedisConnection(self._url, name=f"{self._keys.prefix}-config") as connection:
                    await self._recall_acks(connection)
                    await self._load(connection)
                    pause = BACKOFF_SECONDS[0]
                    await self._follow(connection)
            except (RedisError, OSError, TimeoutError) as exception:
                self._note_outage(exception)
            finally:
                self.is_connected = False
                self.attempted.set()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, longest)

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
        while True:
            await self._unsaved.wait()
            await asyncio.sleep(SNAPSHOT_DEBOUNCE_SECONDS)
            if not await self.save_snapshot():
                await asyncio.sleep(SNAPSHOT_RETRY_SECONDS)

    async def save_snapshot(self) -> bool:
        """Save what has changed since the last time; false where that failed (logged, counted, to be tried again)."""
        if not self._unsaved.is_set():
            return True
        self._unsaved.clear()
        content = snapshot.Snapshot(
            prefix=self._keys.prefix,
            sequence=self.live.sequence,
            saved_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            documents=self.live.documents,
        )
        try:
            await asyncio.to_thread(snapshot.write, self._snapshot_path, content)
        except OSError as exception:
            self.counters.snapshot_failures += 1
            self._unsaved.set()
            log.error("config.snapshot_failed", path=str(self._snapshot_path), error=str(exception))
            return False
        return True

    async def _follow(self, connection: RedisConnection) -> None:
        """Apply changes as they come; returns never, raises when the connection fails."""
        while True:
            if time.monotonic() - self._loaded_at >= self._ttl_seconds:
                await self._load(connection)
            commands = self._acks.commands()
            commands.append(("GET", self._keys.sequence))
            streams = {self._keys.changes: self._last_id, **self.halts.streams()}
            commands.append(
                ("XREAD", "COUNT", BATCH, "BLOCK", self._block_ms(), "STREAMS", *streams, *streams.values())
            )
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                *ack_replies, published, news = await connection.exchange(commands)
            self._contact_at = time.monotonic()
            self._acks.take_off(ack_replies)
            self.counters.acks_lost = self._acks.lost
            found = {_text(stream): entries for stream, entries in refuse_error(news) or ()}
            await self.halts.take_news(found.get(self._keys.told_halts, ()))
            if await self._take_in(connection, _sequence(published), found.get(self._keys.changes, ())):
                with traces.span("config.load", self._notice):
                    await self._load(connection)

    async def flush_acks(self) -> None:
        """Send the answers that still wait, on a connection of their own; for the end. Raises RedisError, OSError."""
        if not self._acks:
            return
        async with RedisConnection(self._url, name=f"{self._keys.prefix}-acks") as connection:
            await self._recall_acks(connection)
            self._acks.take_off(await connection.exchange(self._acks.commands()))

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
        # Without new entries the stream must have brought us to what is published; else it was cut or set back.
        return not self._is_populated or published is None or (not entries and published != self.live.sequence)

    async def _apply(self, connection: RedisConnection, entry_id: bytes, fields: Sequence[bytes]) -> bool:
        """Apply one entry; false where that takes a complete read."""
        try:
            change = wire.decode_change(wire.stream_payload(fields))
        except wire.WireError as exception:
            rejection = Rejection(field=self._keys.changes, reason=str(exception), raw=b"")
            self._acknowledge(int(entry_id.split(b"-")[0]), [rejection])
            return False
        if change.kind == "reload":
            self._notice = change
            return False
        # Whatever becomes of the sequence: a halt that was told holds.
        is_kept = await self.halts.take_change(change)
        if not self._is_populated:
            return False
        if change.sequence <= self.live.sequence:
            return True
        if change.sequence != self.live.sequence + 1:
            self.counters.gaps += 1
            log.warning("config.gap", expected=self.live.sequence + 1, sequence=change.sequence)
            return False
        with traces.span("config.apply", change):
            await self._put_in_force(connection, change, is_kept=is_kept)
        return True

    async def _put_in_force(self, connection: RedisConnection, change: wire.Change, *, is_kept: bool) -> None:
        documents = await self._documents_of(connection, change)
        update = await self._check(documents)
        self.live.merge(update, sequence=change.sequence, now_ms=_now_ms())
        self.counters.changes += 1
        rejected = [*update.rejected, *([] if is_kept else [Rejection(self._keys.halts, UNKEPT, b"")])]
        self._acknowledge(change.sequence, rejected, change.published_at_ms)
        self._note_change()
        log.info(
            "config.rejected" if rejected else "config.applied",
            sequence=change.sequence,
            strategy_id=change.strategy_id,
            symbol=change.symbol,
            action=change.action,
            version=change.version,
            changed_by=change.changed_by,
            request_id=change.request_id,
            documents=len(documents),
            latency_ms=self.counters.last_latency_ms,
        )

    async def _documents_of(self, connection: RedisConnection, change: wire.Change) -> dict[str, bytes | None]:
        documents: dict[str, bytes | None] = {field: bytes(raw) for field, raw in change.documents.items()}
        if change.fields:
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                replies = await connection.exchange([("HMGET", self._keys.config, *change.fields)])
            documents.update(zip(change.fields, refuse_error(replies[0]), strict=True))
        return documents

    async def _load(self, connection: RedisConnection) -> None:
        """Read everything at one instant and put it in force, also where the sequence went back."""
        async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
            replies = await connection.exchange(
                [
                    ("MULTI",),
                    ("GET", self._keys.sequence),
                    ("HGETALL", self._keys.config),
                    ("XREVRANGE", self._keys.changes, "+", "-", "COUNT", 1),
                    ("EXEC",),
                    *self.halts.commands(),
                ]
            )
        replies, halts = replies[:5], replies[5:]
        for reply in replies:
            refuse_error(reply)
        await self.halts.take(halts)
        _, flat, newest = replies[-1]
        sequence = _sequence(replies[-1][0])
        self._contact_at = self._loaded_at = time.monotonic()
        self._last_id = newest[0][0] if newest else b"0-0"
        self._note_connected()
        if sequence is None:
            self._note_unpopulated()
            return
        update = await self._check({_text(flat[at]): flat[at + 1] for at in range(0, len(flat), 2)})
        # Where the sequence went back, what is answered from there on are other changes.
        self._acks.answered = min(self._acks.answered, sequence)
        before, is_first, self._is_populated = self.live.sequence, not self._is_populated, True
        is_changed = self.live.replace(update, sequence=sequence, now_ms=_now_ms())
        notice, self._notice = self._notice, None
        self.counters.reloads += 1
        if notice is not None or is_changed:
            for passed in range(max(before + 1, self._acks.answered + 1, sequence - ACKS_AFTER_RELOAD), sequence):
                self._acknowledge(passed)
            if notice is not None or update.rejected or sequence > self._acks.answered:
                self._acknowledge(sequence, update.rejected, 0.0 if notice is None else notice.published_at_ms)
        if is_changed:
            self._note_change()
        if is_first or is_changed:
            log.info("config.loaded", sequence=sequence, before=before, documents=len(self.live.documents))
        self.attempted.set()

    async def _check(self, documents: Mapping[str, bytes | None]) -> Update:
        """Check many documents in slices, so that market data is not held up meanwhile."""
        update = Update()
        for count, (field, raw) in enumerate(documents.items(), start=1):
            self.live.check(field, raw, update)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        return update

    def _acknowledge(self, sequence: int, rejected: Sequence[Rejection] = (), published_at_ms: float = 0.0) -> None:
        """Queue the answer to one sequence, or one for each document refused; it goes out with the next read."""
        if rejected:
            self._report_rejected(rejected, sequence)
            for rejection in rejected:
                self._acks.add(sequence, error=rejection.reason, field=rejection.field)
            return
        # Never negative, whatever the clocks of two hosts, or one set back, make of it; in whole microseconds.
        latency = round(max(0.0, _now_ms() - published_at_ms), 3) if published_at_ms else None
        if latency is not None:
            self.counters.last_latency_ms = latency
            self.propagation.observe(latency / 1000)
        self._acks.add(sequence, latency_ms=latency)

    def _report_rejected(self, rejected: Sequence[Rejection], sequence: int) -> None:
        self.counters.rejected += len(rejected)
        for rejection in rejected:
            log.error("config.document_rejected", field=rejection.field, sequence=sequence, reason=rejection.reason)

    def _block_ms(self) -> int:
        """Until the next complete read, at most ``BLOCK_MS``; never 0, which would be for ever."""
        remaining = self._ttl_seconds - (time.monotonic() - self._loaded_at)
        return max(1, min(BLOCK_MS, int(remaining * 1000)))

    def _note_change(self) -> None:
        self._changed.set()
        self._unsaved.set()

    def _note_connected(self) -> None:
        if self._is_outage_logged:
            log.info("config.redis_recovered", outages=self.counters.outages)
        self.is_connected = True
        self._is_outage_logged = False

    def _note_outage(self, exception: Exception) -> None:
        if self._is_outage_logged:
            return
        self._is_outage_logged = True
        self.counters.outages += 1
        log.warning("config.redis_lost", error=f"{type(exception).__name__}: {exception}", sequence=self.live.sequence)

    def _note_unpopulated(self) -> None:
        if self._is_populated or not self.attempted.is_set():
            log.warning("config.unpublished", prefix=self._keys.prefix, sequence=self.live.sequence)
        self._is_populated = False
        self.attempted.set()


def _sequence(reply: Any) -> int | None:
    """The published sequence, None where there is none; raises RedisError where it is no number."""
    published = refuse_error(reply)
    if published is None:
        return None
    try:
        return int(published)
    except ValueError:
        raise RedisError("the published sequence is not a number") from None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _now_ms() -> float:
    return time.time() * 1000
