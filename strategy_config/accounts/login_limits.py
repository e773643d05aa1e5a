"""Guessing passwords: attempts are counted in Redis before the password is looked at, and refused past a limit.

Counted are one user from one address, and anybody from one address (one password tried on many users). A count ends
``LOGIN_LOCKOUT_SECONDS`` after its first attempt. Without Redis nothing is counted; the log says so.
"""

import hashlib
import unicodedata
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from strategy_config.accounts.client_address import client_address
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import redis_client

LOCKED_SECONDS = "strategy_config.login_locked_seconds"
"""In a request's environ after a refusal: the seconds until the next attempt counts."""
COUNT_SCRIPT = """
-- KEYS: count of the user, count of the address. ARGV: limit of each, seconds that a count lasts.
-- Counts one attempt, so that attempts side by side cannot share one. Answers the milliseconds to wait, 0: go.
local wait = 0
for at, key in ipairs(KEYS) do
  redis.call('SET', key, 0, 'EX', ARGV[3], 'NX')
  if redis.call('INCR', key) > tonumber(ARGV[at]) then wait = math.max(wait, redis.call('PTTL', key), 1) end
end
return wait
"""
FORGET_SCRIPT = """
-- KEYS: count of the user, count of the address.
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECR', KEYS[2]) end
"""
log = structlog.get_logger(__name__)


class CountingBackend(ModelBackend):
    """Django's users with their passwords, a bounded number of attempts each."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The user, or None; raises PermissionDenied, and leaves LOCKED_SECONDS in the request, past the limit."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        keys = _keys(request, username)
        wait = _count(keys)
        if wait:
            request.META[LOCKED_SECONDS] = wait
            log.warning("login.locked", username=username, address=client_address(request.META), seconds=wait)
            raise PermissionDenied
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            log.warning("login.failed", username=username, address=client_address(request.META))
        else:
            _forget(keys)
        return user


def _keys(request: HttpRequest, username: str) -> tuple[str, str]:
    address = client_address(request.META)
    # As hard to tell apart as for the store: Django compares user names in NFKC.
    named = f"{unicodedata.normalize('NFKC', username).casefold()}\n{address}"
    names = redis_client.keys()
    return names.login(hashlib.sha256(named.encode(errors="replace")).hexdigest()[:32]), names.login(address)


def _count(keys: tuple[str, str]) -> int:
    limits = (settings.LOGIN_FAILURES_PER_USER, settings.LOGIN_FAILURES_PER_ADDRESS)
    try:
        wait: Any = redis_client.run(
            lambda client: client.eval(COUNT_SCRIPT, 2, *keys, *limits, settings.LOGIN_LOCKOUT_SECONDS)
        )
    except RedisUnavailableError as exception:
        log.warning("login.uncounted", error=str(exception))
        return 0
    return -(-int(wait) // 1000)


def _forget(keys: tuple[str, str]) -> None:
    """A login that held takes its own attempt back, and ends the user's count."""
    try:
        redis_client.run(lambda client: client.eval(FORGET_SCRIPT, 2, *keys))
    except RedisUnavailableError as exception:
        log.warning("login.uncounted", error=str(exception))
