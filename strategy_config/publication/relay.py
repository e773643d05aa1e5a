"""Tells other services over NATS of every accepted change, at least once and in order: ``manage.py relay_changes``.

The stream in Redis says *that* there is something new, within a millisecond; *what* it is comes from the audit table,
after the position that lies in the store too. So a crash, a flushed or trimmed stream, a Redis that is away and a
restored backup are all one case: what the store has accepted and the position has not passed goes out. The position
moves on only when nats-server has confirmed. Subject, payload and id are those of `change_stream.ChangeEvent`. Where
this process traces, each message has a ``traceparent`` in its headers, of the trace in which Redis was told, if known.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from django.db import close_old_connections
from nats import errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service_kit import tracing
from service_kit.backoff import Backoff
from service_kit.cancellation import cancel
from service_kit.nats_connection import CheckedClient, NatsAccess, NatsLostError, lasting
from service_kit.outage import Outage
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import change_events, positions
from strategy_config.redis import stream_entries
from strategy_core.configuration import change_stream, redis_keys, wire_json

BATCH = 500
# What the stream did not tell (Redis was away, or begins anew) is found in the store this much later at most.
LOOK_SECONDS = 5
RETRY_FIRST_SECONDS = 0.25
RETRY_LAST_SECONDS = 1.0
CONFIRM_TIMEOUT_SECONDS = 2
REDIS_TIMEOUT_SECONDS = 2.0
PARTNERS = ("nats", "redis", "store")

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Relay:
    """One process's relay. Two at a time would tell everything twice, under the same ids."""

    def __init__(self, *, redis_url: str, keys: redis_keys.Keys, nats_url: str, access: NatsAccess) -> None:
        self._redis = Redis.from_url(
            redis_url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            socket_timeout=LOOK_SECONDS + REDIS_TIMEOUT_SECONDS,
        )
        self._stream = keys.changes
        self._nats_url = nats_url
        self._access = access
        self._client = CheckedClient()
        # One thread, so that there is one connection to the store.
        self._store = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._ended = asyncio.Event()
        self._is_lost = False
        self._seen: bytes | None = None
        self._traces: dict[int, str] = {}
        self._outages = {where: Outage("relay.waiting", "relay.back", away=where) for where in PARTNERS}
        self._redis_backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LAST_SECONDS)

    def stop(self) -> None:
        """Have ``run`` end; what is on its way goes out again after the next start."""
        self._ended.set()

    async def run(self) -> None:
        """Relay until ``stop``; raises NatsLostError when the client gives the connection up."""
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._work(), name="relay.work")
                await self._until_ended(work)
        finally:
            self._ended.set()
            await self._client.close()
            await self._redis.aclose()
            self._store.shutdown()
        if self._is_lost:
            raise NatsLostError

    async def _until_ended(self, work: asyncio.Task[None]) -> None:
        await self._ended.wait()
        await cancel([work])

    async def _work(self) -> None:
        await self._client.connect(
            self._nats_url,
            name="realtime-strategies-relay",
            error_cb=self._on_nats_error,
            reconnected_cb=self._on_nats_back,
            closed_cb=self._on_nats_closed,
            **lasting(self._access),
        )
        self._outages["nats"].worked()
        log.info("relay.started", subject=f"{change_stream.CHANGES_SUBJECT}.>")
        while True:
            if not await self._relay_batch():
                await self._wait_for_news()

    async def _relay_batch(self) -> bool:
        """Tell what comes next; false where there is nothing to tell, or the store cannot say."""
        try:
            changes = await self._in_store(lambda: change_events.unrelayed_changes(limit=BATCH))
            self._outages["store"].worked()
            if not changes:
                return False
            await self._tell(changes)
            last = changes[-1].sequence
            await self._in_store(lambda: positions.record_relayed(sequence=last))
        except StoreUnavailableError as exception:
            self._outages["store"].failed(exception)
            return False
        self._traces.clear()
        log.info("changes.relayed", first=changes[0].sequence, last=last)
        return True

    async def _tell(self, changes: list[change_stream.ChangeEvent]) -> None:
        """Publish them; returns when the server has confirmed that it has got them all."""
        backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LAST_SECONDS)
        while True:
            try:
                for change in changes:
                    await self._publish(change)
                await self._client.flush(CONFIRM_TIMEOUT_SECONDS)
                self._outages["nats"].worked()
                return
            except (errors.Error, OSError, TimeoutError) as exception:
                self._client.discard_unsent()
                self._outages["nats"].failed(exception)
                await asyncio.sleep(backoff.next_wait())

    async def _publish(self, change: change_stream.ChangeEvent) -> None:
        attributes: tracing.Attributes = {"config.sequence": change.sequence, "strategy_id": change.strategy_id or ""}
        parent = self._traces.get(change.sequence)
        with tracing.span("config.relay", kind="producer", parent=parent, attributes=attributes):
            headers = {"Nats-Msg-Id": str(change.sequence)}
            if current := tracing.traceparent():
                headers["traceparent"] = current
            await self._client.publish(change.subject, wire_json.encode(change), headers=headers)

    async def _wait_for_news(self) -> None:
        """Return with the stream's next entry, after LOOK_SECONDS at the latest."""
        try:
            if self._seen is None:
                # What came before this is looked for in the store once more.
                tail: Any = await self._redis.xrevrange(self._stream, count=1)
                self._seen = tail[0][0] if tail else b"0-0"
            else:
                found: Any = await self._redis.xread({self._stream: self._seen}, count=BATCH, block=LOOK_SECONDS * 1000)
                # Nothing new: the stream may have restarted, with lower ids.
                self._seen = found[0][1][-1][0] if found else None
                if tracing.is_on() and found:
                    self._traces |= _traces_of(fields for _, fields in found[0][1])
            self._outages["redis"].worked()
            self._redis_backoff.reset()
        except (RedisError, OSError, TimeoutError) as exception:
            self._outages["redis"].failed(exception)
            self._seen = None
            await asyncio.sleep(self._redis_backoff.next_wait())

    async def _in_store(self, use: Callable[[], T]) -> T:
        def fresh() -> T:
            close_old_connections()
            return use()

        return await asyncio.get_running_loop().run_in_executor(self._store, fresh)

    async def _on_nats_error(self, exception: Exception) -> None:
        self._outages["nats"].failed(exception)

    async def _on_nats_back(self) -> None:
        self._outages["nats"].worked()

    async def _on_nats_closed(self) -> None:
        self._is_lost = not self._ended.is_set()
        self._ended.set()


def _traces_of(entries: Iterable[Mapping[bytes, bytes]]) -> dict[int, str]:
    """By sequence: the trace in which the change was published, where an entry of the stream names one."""
    # One that cannot be read is no loss: what there is to tell comes from the store.
    changes = stream_entries.readable(entries, change_stream.decode_change, event="relay.entry_unreadable")
    return {
        sequence: change.traceparent
        for change in changes
        if change.traceparent
        for sequence in range(change.first_sequence or change.sequence, change.sequence + 1)
    }
