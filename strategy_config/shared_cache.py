"""The one client of Redis on the site, made when first used, quick to give up."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from realtime_runtime.config import wire
from strategy_config import metrics

T = TypeVar("T")
TIMEOUT_SECONDS = 0.5
REST_SECONDS = 1.0
_PUBLISH_DIGEST = hashlib.sha1(wire.PUBLISH_SCRIPT.encode(), usedforsecurity=False).hexdigest()

logger = structlog.get_logger(__name__)
_answered = metrics.redis_calls.labels("ok")
_failed = metrics.redis_calls.labels("failed")


class SharedCacheUnavailableError(Exception):
    """Redis did not answer, or answered with an error, or failed less than REST_SECONDS ago."""

    @property
    def maxmemory_policy() -> str | None:
    """Redis' maxmemory-policy, None where this user may not ask for it; raises SharedCacheUnavailableError."""
    try:
        answer: Any = run(lambda client: client.info("memory"))
    except SharedCacheUnavailableError as exception:
        if exception.is_forbidden:
            return None
        raise
    return str(answer.get("maxmemory_policy") or "") or None


def pack(*words: str | bytes) -> bytes:
    """One command as it goes over the wire."""
    encoded = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def exchange(client: Any, packed: list[bytes], replies: int) -> list[Any]:
    """Send ready-packed commands in one write and read as many replies: half the cost of a pipeline object.

    An error that Redis answers stands in its place; one of the connection is raised. For use in `run`.
    """
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        # Joined: redis-py writes the parts of a list one by one.
        connection.send_packed_command([b"".join(packed)])
        return [_reply(connection) for _ in range(replies)]
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def publish(
    expected: int,
    layers: list[tuple[str, int, bytes]],
    entries: list[tuple[str, bytes]],
    *,
    halts: Sequence[tuple[str, bytes]] = (),
    resumed: Sequence[tuple[str, str]] = (),
) -> tuple[bool, int]:
    """Run ``wire.PUBLISH_SCRIPT``: (written, last sequence there or -1). Raises SharedCacheUnavailableError.

    ``layers`` are (field, sequence, document or b"" where the layer is gone), ``entries`` (stream id, payload),
    ``halts`` (id, record), ``resumed`` (id, when). Where this user of Redis may not write those (its rights are from
    before there were halts), the entries alone go out: who stops must not wait for an administrator of Redis.
    """
    try:
        return _publish(expected, layers, entries, halts, resumed)
    except SharedCacheUnavailableError as exception:
        if not (halts or resumed) or not exception.is_forbidden:
            raise
        logger.error("shared_cache.halts_refused", error=str(exception))
        return _publish(expected, layers, entries, (), ())


def _publish(
    expected: int,
    layers: list[tuple[str, int, bytes]],
    entries: list[tuple[str, bytes]],
    halts: Sequence[tuple[str, bytes]],
    resumed: Sequence[tuple[str, str]],
) -> tuple[bool, int]:
    names = wire.publish_keys(keys(), with_halts=bool(halts or resumed))
    words: list[str | bytes] = [str(len(names)), *names]
    words += [str(expected), str(wire.CHANGES_CAP), str(len(layers))]
    for field, sequence, document in layers:
        words += [field, str(sequence), document]
    for pairs in (halts, resumed):
        words.append(str(len(pairs)))
        for pair in pairs:
            words.extend(pair)
    for entry in entries:
        words.extend(entry)
    answer = run(lambda client: _run_publish_script(client, words))
    return answer[0] == 1, answer[1] if len(answer) > 1 else -1


def _run_publish_script(client: redis.Redis, words: Sequence[str | bytes]) -> Any:
    """By its digest, or whole where the server does not know it; redis-py's own way costs more than the script."""
    for command, script in (("EVALSHA", _PUBLISH_DIGEST), ("EVAL", wire.PUBLISH_SCRIPT)):
        (answer,) = exchange(client, [pack(command, script, *words)], 1)
        if not isinstance(answer, NoScriptError):
            break
    if isinstance(answer, redis.ResponseError):
        raise answer
    return answer
