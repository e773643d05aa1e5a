"""Who is asking: bearer tokens and admin sessions, remembered for a short while.

A token's identity is remembered in the process as long as the shared counter ``identities`` stands still
(it rises with every change of a token, user or group, and with every logout), at most ten minutes. A revoked token
therefore ends with its next request, in every process. Where the counter cannot be read, the store is asked every time.
The store is asked for a session every time. Where it cannot be asked, identities of both kinds seen within ten minutes
may still read, unless the counter says that rights have changed, or that somebody has logged out, since.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from django.conf import settings
from django.http import parse_cookie
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from strategy_config.accounts import identities, tokens
from strategy_config.accounts.permissions import Permission
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.models import ApiToken
from strategy_config.redis import redis_client
from strategy_config.store import transactions

REMEMBERED_SECONDS = 600.0
STORE_RETRY_SECONDS = 1.0
MAX_REMEMBERED = 10_000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_COUNTER = "strategy_config.accounts.identities"
_BAD_TOKEN = "The token is unknown, expired or revoked."  # noqa: S105  # a message, no secret


class NoSessionError(Exception):
    """The session of the cookie has ended or belongs to nobody."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has proved who they are, and what they may do."""

    actor: str
    permissions: frozenset[str]
    expires_at: datetime | None = None

    @property
    def is_authenticated(self) -> bool:
        """Always true: there is no Identity for anonymous requests."""
        return True


@dataclass(slots=True)
class _Remembered:
    identity: Identity
    counter: bytes | None
    verified_at: float
    seen_at: float

    def may_stand_in(self, counter: bytes | None, now: float) -> bool:
        """Whether it was seen within ten minutes, and nothing is known to have changed since it was verified."""
        has_moved = None not in {counter, self.counter} and counter != self.counter
        return now - self.seen_at < REMEMBERED_SECONDS and not has_moved


class IdentityMemory:
    """Identities of this process by the digest of their credential, at most 10,000. Safe between threads."""

    def __init__(self) -> None:
        self._entries: dict[str, _Remembered] = {}
        self._lock = Lock()
        self._store_failed_at = float("-inf")
        self._distrusted_before = float("-inf")

    def recall(self, digest: str, counter: bytes) -> Identity | None:
        """The identity behind ``digest`` where it is known and the counter has not moved since."""
        entry = self._entries.get(digest)
        now = time.monotonic()
        if entry is None or not self._is_current(entry, counter, now):
            return None
        entry.seen_at = now
        return entry.identity

    def identify(
        self,
        digest: str,
        load: Callable[[], Identity],
        *,
        counter: bytes | None,
        may_be_old: bool,
        is_always_loaded: bool = False,
    ) -> Identity:
        """The identity behind ``digest``: remembered, or by ``load``.

        ``counter`` is the shared counter, None where it could not be read. ``is_always_loaded``: the store is asked
        every time, where it can be.
        ``may_be_old`` lets an identity seen within ten minutes stand in where the store cannot be reached, or is
        slow; not one from before the counter moved, which may have lost its rights since. Otherwise that raises
        StoreUnavailableError. What ``load`` raises of itself goes through, and then the
        identity is forgotten.
        """
        known = None if counter is None or is_always_loaded else self.recall(digest, counter)
        if known is not None:
            return known
        now = time.monotonic()
        entry = self._entries.get(digest)
        stand_in = entry if entry is not None and may_be_old and entry.may_stand_in(counter, now) else None
        if stand_in is None or now - self._store_failed_at >= STORE_RETRY_SECONDS:
            try:
                # Who can be recognised without the store does not wait long for it.
                with nullcontext() if stand_in is None else transactions.quickly():
                    identity = load()
            except (AuthenticationFailed, NoSessionError):
                self._entries.pop(digest, None)
                raise
            except StoreUnavailableError:
                self._store_failed_at = now
                if stand_in is None:
                    raise
            else:
                self._remember(digest, _Remembered(identity, counter, now, now))
                return identity
        stand_in.seen_at = now
        return stand_in.identity

    def knows(self, digest: str) -> bool:
        """Whether ``digest`` has held in this process, and was not refused since."""
        return digest in self._entries

    def distrust(self) -> None:
        """The counter could not be read just now: what it would have said is unknown, so ask the store again."""
        self._distrusted_before = time.monotonic()

    def forget(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._entries.clear()

    def _is_current(self, entry: _Remembered, counter: bytes, now: float) -> bool:
        is_young = now - entry.verified_at < REMEMBERED_SECONDS and entry.verified_at > self._distrusted_before
        return is_young and entry.counter == counter

    def _remember(self, digest: str, entry: _Remembered) -> None:
        with self._lock:
            if len(self._entries) >= MAX_REMEMBERED and digest not in self._entries:
                oldest = min(self._entries, key=lambda key: self._entries[key].seen_at)
                del self._entries[oldest]
            self._entries[digest] = entry


memory = IdentityMemory()


def identify_token(header: str, *, counter: bytes | None, may_be_old: bool) -> Identity:
    """The identity behind an ``Authorization`` header; raises AuthenticationFailed, StoreUnavailableError."""
    digest = _digest(header)
    identity = memory.identify(digest, lambda: _load_token(digest), counter=counter, may_be_old=may_be_old)
    return _unexpired(identity)


def credential_of(environ: Mapping[str, Any]) -> str | None:
    """The Authorization header; else the token in the first of ``settings.API_TOKEN_HEADERS`` there is, as if in it."""
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is not None:
        return header
    for name in settings.API_TOKEN_HEADERS:
        token: str | None = environ.get(name)
        if token is not None:
            return token if token[:7].lower() == "bearer " else f"Bearer {token}"
    return None


def carries_credentials(environ: Mapping[str, Any]) -> bool:
    """Whether a request has a token or a session with it, which may hold or not."""
    return credential_of(environ) is not None or _session_digest(environ) is not None


def remembered_digest(environ: Mapping[str, Any]) -> str | None:
    """The digest of a request's token or session where this process has seen it hold; it may have ended since."""
    header = credential_of(environ)
    try:
        digest = _session_digest(environ) if header is None else _digest(header)
    except AuthenticationFailed:
        return None
    return digest if digest is not None and memory.knows(digest) else None


def recall_token(digest: str, counter: bytes) -> Identity | None:
    """As `identify_token`, by the token's digest and from memory alone; None where the store would have to be asked."""
    identity = memory.recall(digest, counter)
    return None if identity is None else _unexpired(identity)


def _digest(header: str) -> str:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed("Send the token as: Authorization: Bearer <token>.")
    if not token.isascii():
        raise AuthenticationFailed(_BAD_TOKEN)
    return tokens.digest_of(token)


def _session_digest(environ: Mapping[str, Any]) -> str | None:
    session_key = parse_cookie(environ.get("HTTP_COOKIE", "")).get(settings.SESSION_COOKIE_NAME)
    if session_key is None:
        return None
    return hashlib.sha256(b"session:" + session_key.encode("utf-8", "surrogateescape")).hexdigest()


def _unexpired(identity: Identity) -> Identity:
    if identity.expires_at is not None and identity.expires_at <= timezone.now():
        raise AuthenticationFailed(_BAD_TOKEN)
    return identity


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>``, or a token in a header of ``settings.API_TOKEN_HEADERS``."""

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """Nobody without the header; raises AuthenticationFailed for a header that does not hold."""
        header = credential_of(request.META)
        if header is None:
            return None
        identity = identify_token(header, counter=_shared_counter(request.META), may_be_old=_may_be_old(request))
        return identity, identity

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return 'Bearer realm="strategies"'


class AdminSessionAuthentication(SessionAuthentication):
    """The session of the admin, with CSRF protection for unsafe methods."""

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """Nobody without a session; raises PermissionDenied where the CSRF check fails."""
        digest = _session_digest(request.META)
        if digest is None:
            return None
        try:
            identity = memory.identify(
                digest,
                lambda: self._load(request),
                counter=_shared_counter(request.META),
                may_be_old=_may_be_old(request),
                is_always_loaded=True,
            )
            _unexpired(identity)
        except (NoSessionError, AuthenticationFailed):
            return None
        if request.method not in SAFE_METHODS:
            # Also where the identity was remembered: another site must not stop anything in somebody's name.
            self.enforce_csrf(request)
        return identity, identity

    @transactions.store_errors()
    def _load(self, request: Request) -> Identity:
        found = super().authenticate(request)
        if found is None:
            raise NoSessionError
        return _identity_of(found[0], expires_at=request.session.get_expiry_date())


def _may_be_old(request: Request) -> bool:
    """Reads and stops: callers seen within ten minutes may do them while the database is away."""
    view = request.parser_context.get("view")
    needed = getattr(view, "permission_by_method", {}).get(request.method)
    return request.method in SAFE_METHODS or needed is Permission.STOP_STRATEGY


def counter_command() -> bytes:
    """The command that asks for the counter of identities, ready for the wire."""
    return redis_client.pack("GET", redis_client.keys().identities)


def note_counter(environ: dict[str, Any], reply: Any) -> None:
    """Keep the reply to `counter_command` with the request that it was sent for, unless it is an error."""
    if not isinstance(reply, Exception):
        environ[_COUNTER] = reply


def _shared_counter(environ: Mapping[str, Any]) -> Any:
    """The counter of identities; where Redis has none (it came back empty), the store's is shown there first."""
    key = redis_client.keys().identities
    try:
        counter = environ[_COUNTER] if _COUNTER in environ else redis_client.run(lambda client: client.get(key))
        if counter is None:
            with transactions.quickly():
                identities.announce()
            counter = redis_client.run(lambda client: client.get(key))
    except (RedisUnavailableError, StoreUnavailableError):
        counter = None
    if counter is None:
        memory.distrust()
    return counter


@transactions.store_errors()
def _load_token(digest: str) -> Identity:
    token = ApiToken.objects.select_related("user").filter(digest=digest).first()
    if token is None or token.revoked_at is not None or token.expires_at <= timezone.now() or not token.user.is_active:
        raise AuthenticationFailed(_BAD_TOKEN)
    return _identity_of(token.user, expires_at=token.expires_at)


def _identity_of(user: Any, *, expires_at: datetime | None = None) -> Identity:
    return Identity(actor=user.get_username(), permissions=frozenset(user.get_all_permissions()), expires_at=expires_at)
