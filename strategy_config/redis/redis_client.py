"""The one client of Redis on the site, made when first used, quick to give up."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

import redis
import structlog
from django.conf import settings
from prometheus_client import Histogram
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, NoScriptError
from redis.retry import Retry

from service_kit.timings import CALL_BOUNDS
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis.site_keys import SiteKeys
from strategy_core.configuration import publish_script, redis_keys

T = TypeVar("T")
TIMEOUT_SECONDS = 0.5
REST_SECONDS = 1.0
_PUBLISH_DIGEST = hashlib.sha1(publish_script.PUBLISH_SCRIPT.encode(), usedforsecurity=False).hexdigest()
log = structlog.get_logger(__name__)
_calls = Histogram(
    "configsite_redis_call_seconds",
    "Round trips to Redis: ok, failed. Calls skipped because Redis has just failed are not counted.",
    ["outcome"],
    buckets=CALL_BOUNDS,
)
_answered, _failed = _calls.labels("ok"), _calls.labels("failed")


class _Breaker:
    """After a failure no caller waits for Redis again before REST_SECONDS have passed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_until = 0.0
        self._is_down = False

    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def failed(self, exception: Exception) -> None:
        with self._lock:
            self._open_until = time.monotonic() + REST_SECONDS
            is_news, self._is_down = not self._is_down, True
        if is_news:
            log.warning("shared_cache.lost", error=str(exception))

    def succeeded(self) -> None:
        if not self._is_down:
            return
        with self._lock:
            is_news, self._is_down = self._is_down, False
            self._open_until = 0.0
        if is_news:
            log.info("shared_cache.back")


class _Connection:
    """The client of one server, its idle connections, and its circuit breaker."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # One quick retry: a pooled connection may have died with a restart of the server. Never after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self.breaker = _Breaker()
        self.idle: list[KeptConnection] = []


@lru_cache(maxsize=8)
def _connection(url: str) -> _Connection:
    return _Connection(url)


def keys() -> SiteKeys:
    """The names of everything that the site keeps in Redis."""
    return SiteKeys(settings.REDIS_KEY_PREFIX)


def run(operation: Callable[[redis.Redis], T], *, is_patient: bool = False) -> T:
    """The answer of ``operation``, which gets the client; raises RedisUnavailableError.

    ``is_patient``: try even if Redis has just failed (scheduled tasks, health checks).
    """
    connection = _connection(settings.REDIS_URL)
    if connection.breaker.is_open() and not is_patient:
        raise RedisUnavailableError("Redis failed a moment ago.")
    started = time.perf_counter()
    try:
        answer = operation(connection.client)
    except redis.RedisError as exception:
        _failed.observe(time.perf_counter() - started)
        if isinstance(exception, (redis.ConnectionError, redis.TimeoutError)):
            connection.breaker.failed(exception)
            raise RedisUnavailableError(f"Redis cannot be reached: {exception}") from exception
        raise refused(exception) from exception
    _answered.observe(time.perf_counter() - started)
    connection.breaker.succeeded()
    return answer


def refused(error: Exception) -> RedisUnavailableError:
    """What to raise where Redis answers with this error."""
    return RedisUnavailableError(f"Redis refused: {error}", is_forbidden=isinstance(error, NoPermissionError))


def maxmemory_policy() -> str | None:
    """Redis' maxmemory-policy, None where this user may not ask for it; raises RedisUnavailableError."""
    try:
        answer: Any = run(lambda client: client.info("memory"))
    except RedisUnavailableError as exception:
        if exception.is_forbidden:
            return None
        raise
    return str(answer.get("maxmemory_policy") or "") or None


def pack(*words: str | bytes) -> bytes:
    """One command as it goes over the wire."""
    encoded = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def exchange(client: redis.Redis, packed: list[bytes], replies: int) -> list[Any]:
    """Send ready-packed commands in one write and read as many replies: a quarter of the cost of a pipeline object.

    An error that Redis answers stands in its place; one of the connection is raised. For use in `run`.
    """
    idle = _connection(settings.REDIS_URL).idle
    try:
        kept = idle.pop()
    except IndexError:
        kept = KeptConnection()
    answers = kept.exchange_once(client, b"".join(packed), replies)
    idle.append(kept)
    return answers


class KeptConnection:
    """A connection without redis-py's pool, which costs as much as the round trip. For one caller at a time."""

    def __init__(self) -> None:
        self._connection: Any = None

    def exchange(self, client: redis.Redis, packed: bytes, replies: int) -> list[Any]:
        """As the function `exchange`, for commands that may be sent twice."""
        if self._is_ours():
            try:
                return self._exchange(packed, replies)
            except redis.ConnectionError:
                # It may have ended since it was used last, with a restart of the server.
                pass
        self._connect(client)
        return self._exchange(packed, replies)

    def exchange_once(self, client: redis.Redis, packed: bytes, replies: int) -> list[Any]:
        """As the function `exchange`. Whether the connection has ended is looked at first."""
        if not (self._is_ours() and self._is_quiet()):
            self._connect(client)
        return self._exchange(packed, replies)

    def _is_ours(self) -> bool:
        """Whether it is connected, by this process: a child has the sockets of its parent, and must not use them."""
        return self._connection is not None and self._connection.pid == os.getpid()

    def _is_quiet(self) -> bool:
        try:
            return not self._connection.can_read()
        except (redis.RedisError, OSError):
            return False

    def _connect(self, client: redis.Redis) -> None:
        pool = client.connection_pool
        connection = pool.connection_class(**pool.connection_kwargs)
        connection.connect()
        self._connection = connection

    def _exchange(self, packed: bytes, replies: int) -> list[Any]:
        connection = self._connection
        try:
            # In one piece: redis-py writes the parts of a list one by one.
            connection.send_packed_command([packed], check_health=False)
            return [_reply(connection) for _ in range(replies)]
        except BaseException:
            self._connection = None
            connection.disconnect()
            raise


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def keep_sets(sets: Sequence[tuple[str, bytes]]) -> None:
    """Keep the content of sets of changes, (key, payload), for a day; raises RedisUnavailableError."""
    for key, payload in sets:
        run(partial(_keep_set, key=key, payload=payload))


def _keep_set(client: redis.Redis, *, key: str, payload: bytes) -> None:
    client.set(key, payload, ex=redis_keys.SET_TTL_SECONDS)


class Publication(NamedTuple):
    """What became of documents and entries. ``last``: the last sequence that is there, -1 where there is none.

    ``is_halted``: not written, because halts are in force and the documents do not say what those leave of them.
    """

    is_written: bool
    last: int
    is_halted: bool = False


def publish(
    expected: int,
    layers: list[tuple[str, int, bytes]],
    entries: list[tuple[str, bytes]],
    *,
    halts: Sequence[tuple[str, bytes]] = (),
    resumed: Sequence[tuple[str, str]] = (),
    is_covered: bool = True,
) -> Publication:
    """Run ``publish_script.PUBLISH_SCRIPT``. Raises RedisUnavailableError.

    ``layers`` are (field, sequence, document or b"" where the layer is gone), ``entries`` (stream id, payload),
    ``halts`` (id, record), ``resumed`` (id, when); ``is_covered``: the documents say what the halts in force leave of
    them. Where this user of Redis may not use the keys of halts (its rights are from before there were halts), the
    rest alone goes out: who stops must not wait for an administrator of Redis.
    """
    try:
        return _publish(expected, layers, entries, halts, resumed, is_covered=is_covered)
    except RedisUnavailableError as exception:
        if not exception.is_forbidden:
            raise
        if halts or resumed:
            log.error("shared_cache.halts_refused", error=str(exception))
        return _publish(expected, layers, entries, (), (), is_covered=is_covered, with_halts=False)


def _publish(
    expected: int,
    layers: list[tuple[str, int, bytes]],
    entries: list[tuple[str, bytes]],
    halts: Sequence[tuple[str, bytes]],
    resumed: Sequence[tuple[str, str]],
    *,
    is_covered: bool,
    with_halts: bool = True,
) -> Publication:
    names = publish_script.publish_keys(keys(), with_halts=with_halts)
    words: list[str | bytes] = [str(len(names)), *names]
    words += [str(expected), str(redis_keys.CHANGES_CAP), str(int(is_covered)), str(len(layers))]
    for field, sequence, document in layers:
        words += [field, str(sequence), document]
    for pairs in (halts, resumed):
        words.append(str(len(pairs)))
        for pair in pairs:
            words.extend(pair)
    for entry in entries:
        words.extend(entry)
    answer = run(lambda client: _run_publish_script(client, words))
    return Publication(answer[0] == 1, answer[1] if len(answer) > 1 else -1, is_halted=answer[0] == 2)


def _run_publish_script(client: redis.Redis, words: Sequence[str | bytes]) -> Any:
    """By its digest, or whole where the server does not know it; redis-py's own way costs more than the script."""
    for command, script in (("EVALSHA", _PUBLISH_DIGEST), ("EVAL", publish_script.PUBLISH_SCRIPT)):
        (answer,) = exchange(client, [pack(command, script, *words)], 1)
        if not isinstance(answer, NoScriptError):
            break
    if isinstance(answer, redis.ResponseError):
        raise answer
    return answer
