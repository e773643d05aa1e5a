"""How fast one caller may go: a bucket a caller in Redis, which one Lua call fills and takes from.

Callers are tokens and sessions once this process has seen them hold, and addresses before that and without
credentials: made-up credentials all take from the bucket of the address that they come from.
Without Redis nobody is refused; the log says so.
"""

import hashlib
import math
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from redis.exceptions import NoScriptError
from rest_framework.exceptions import Throttled

from service_kit.outage import Outage
from strategy_config.accounts.client_address import client_address
from strategy_config.api.common import authentication
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import redis_client
from strategy_config.redis.site_keys import SiteKeys

CHARGED = "strategy_config.is_charged"
"""Set in a request's environ once its bucket was asked, so that no request is charged twice."""

TAKE_SCRIPT = """
-- KEYS: bucket. ARGV: microseconds until one token has grown back, tokens that the bucket holds.
-- The bucket is the instant at which it will be full again; absent: it is full. Answers milliseconds to wait; 0: go.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, whole = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
-- Bounded: a clock that was set back must not keep a caller out for longer than an empty bucket takes to fill.
local full_at = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now), now), now + whole) + step
local wait = full_at - now - whole
if wait > 0 then return math.ceil(wait / 1000) end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
"""
_TAKE_DIGEST = hashlib.sha1(TAKE_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_MICROSECONDS = 1_000_000


class LimitedKind(StrEnum):
    """What is limited apart from one another."""

    READS = "reads"
    WRITES = "writes"


_outage = Outage("rate_limits.open", "rate_limits.held")


def caller(digest: str | None, environ: Mapping[str, Any]) -> str:
    """Whose bucket a request takes from; ``digest`` is that of credentials which this process has seen hold."""
    return f"address:{client_address(environ)}" if digest is None else f"caller:{digest[:32]}"


def take_command(whose: str, kind: LimitedKind) -> bytes | None:
    """The command that takes one token from the bucket of ``whose``, ready for the wire; None: there is no limit."""
    per_second, burst = settings.RATE_LIMITS[kind]
    if per_second == 0:
        return None
    return _take_command(settings.REDIS_KEY_PREFIX, kind, whose, per_second, burst)


def seconds_to_wait(reply: Any) -> int:
    """What the answer to `take_command` means: 0 to go on, else whole seconds. An error lets everybody go on.

    So does a Redis that does not know the script yet, which it is given then.
    """
    if isinstance(reply, NoScriptError):
        _load_script()
        return 0
    if isinstance(reply, Exception):
        _outage.failed(reply)
        return 0
    _outage.worked()
    return math.ceil(int(reply) / 1000)


def charge(request: HttpRequest, kind: LimitedKind) -> None:
    """Take a token for the request, once; raises Throttled with the seconds to wait.

    The counter that authentication asks for next comes in the same round trip.
    """
    if request.META.setdefault(CHARGED, False):
        return
    command = take_command(caller(authentication.remembered_digest(request.META), request.META), kind)
    if command is None:
        return
    request.META[CHARGED] = True
    packed = [command, authentication.counter_command()]
    try:
        reply, counter = redis_client.run(lambda client: redis_client.exchange(client, packed, 2))
    except RedisUnavailableError as exception:
        reply = exception
    else:
        authentication.note_counter(request.META, counter)
    if wait := seconds_to_wait(reply):
        raise Throttled(wait)


@lru_cache(maxsize=1_024)
def _take_command(prefix: str, kind: LimitedKind, whose: str, per_second: int, burst: int) -> bytes:
    key = SiteKeys(prefix).rate(f"{kind}:{whose}")
    step = max(1, _MICROSECONDS // per_second)
    # By its digest: the script itself would be most of what a read sends, and Redis hashes it each time.
    return redis_client.pack("EVALSHA", _TAKE_DIGEST, "1", key, str(step), str(burst))


def _load_script() -> None:
    """Load the script into Redis, which forgets scripts when it restarts."""
    try:
        redis_client.run(lambda client: client.script_load(TAKE_SCRIPT))
    except RedisUnavailableError as error:
        _outage.failed(error)
