"""Who trades a share of the symbols: one runtime holds it, every other of the same share is a warm standby.

A lease in Redis says who holds the share; the holder renews it every second and also answers for it on NATS. A standby
takes over only where both have been missing for 5 seconds: a holder that lost Redis still answers on NATS, one that
lost NATS cannot trade but keeps its lease. The lease ends after 3 seconds, and a holder that has not confirmed its role
for 5 seconds (it was frozen, say) asks before it publishes, so that a signal never leaves two runtimes.
Without Redis nothing changes hands. A runtime that took over gives the share back to nobody.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol, TypeVar

import msgspec
import structlog
from redis.exceptions import RedisError

from realtime_runtime.standby import pauses

RENEW_SECONDS = 1.0
LEASE_SECONDS = 3.0
MISSING_SECONDS = 5.0
CONFIRMED_SECONDS = 5.0
QUESTIONS = 3
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Role(Enum):
    """``UNDECIDED``: this runtime does not know yet whether another one holds the share; it emits nothing so far."""

    UNDECIDED = "undecided"
    HOLDER = "holder"
    STANDBY = "standby"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime that holds a share, as the lease and the answer on NATS name it.

    ``token`` is unique a process; ``since_ms`` is when it took the share (Unix, milliseconds).
    """

    instance_id: str
    host: str
    pid: int
    token: str
    since_ms: int = 0


class Silence(Enum):
    """What came back instead of a holder."""

    NOBODY = "nobody is subscribed"
    NO_ANSWER = "a subscriber did not answer in time"
    UNREACHABLE = "NATS, or Redis, cannot be asked"


class Lease(Protocol):
    """The lease of a share. Each method raises RedisError, OSError or TimeoutError where Redis cannot be asked."""

    async def read(self) -> Holder | None:
        """Who holds the share by its lease, None where the lease has ended."""

    async def take(self, holder: Holder, *, instead_of: Holder | None = None) -> Holder:
        """Take or renew the lease where it is free, ``holder``'s own or ``instead_of``'s; answers who has it now."""

    async def release(self, holder: Holder) -> None:
        """Give up the lease where ``holder`` has it."""


class Voice(Protocol):
    """The holder's answer on NATS."""

    async def ask(self, own_token: str) -> Holder | Silence:
        """Who answers for the share, other than the process of ``own_token``."""

    async def answer_as(self, holder: Holder | None) -> None:
        """Answer as ``holder`` from now on; None: answer no more."""


class ShareKeeper:
    """Decides the role of this runtime, at each `step` and whenever `may_publish` has to know.

    ``on_change`` is called with the role before and the new one, after every change. ``confirmed_at`` is an instant of
    ``clock`` at which this runtime held the share for certain: before the question whose answer said so, because the
    process may have stood still between the two.
    """

    def __init__(
        self,
        lease: Lease,
        voice: Voice,
        me: Holder,
        *,
        clock: Callable[[], float] = pauses.seconds,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.role = Role.UNDECIDED
        self.holder: Holder | None = None
        self.takeovers = 0
        self._lease = lease
        self._voice = voice
        self._me = me
        self.on_change: Callable[[Role, Role], None] = _ignore
        self._clock = clock
        self._now_ms = now_ms
        self.confirmed_at = float("-inf")
        self._missing_since: float | None = None
        self._deciding = asyncio.Lock()

    @property
    def is_confirmed(self) -> bool:
        """Whether this runtime holds the share and has confirmed that within 5 seconds."""
        return self.is_held_since(float("-inf"))

    @property
    def is_closed(self) -> bool:
        """Whether another runtime sends the signals of this share."""
        return self.role is Role.STANDBY

    def is_held_since(self, instant: float) -> bool:
        """Whether this runtime holds the share, and has confirmed that within 5 seconds and not before ``instant``."""
        oldest = max(instant, self._clock() - CONFIRMED_SECONDS)
        return self.role is Role.HOLDER and self.confirmed_at >= oldest

    async def may_publish(self, *, since: float = float("-inf")) -> bool:
        """Whether a signal may leave now; asks where the last confirmation is too old, or from before ``since``."""
        if not (self.is_held_since(since) or self.is_closed):
            await self.step()
        return self.is_held_since(since)

    async def step(self) -> None:
        """Renew or look once; never raises for Redis or NATS."""
        async with self._deciding:
            if self.role is Role.HOLDER:
                await self._hold_on()
            else:
                await self._watch()

    async def withdraw(self) -> None:
        """Give the share up in good order, so that a standby need not wait for the end of the lease."""
        async with self._deciding:
            if self.role is not Role.HOLDER:
                return
            await self._voice.answer_as(None)
            await self._lease.release(self._me)

    async def _hold_on(self) -> None:
        was_confirmed, asked_at = self.is_confirmed, self._clock()
        owner = await _asked(self._lease.take(self._me))
        if isinstance(owner, Silence):
            asked_at = self._clock()
            answer = await self._voice.ask(self._me.token)
            if answer is Silence.UNREACHABLE:
                return
            if isinstance(answer, Holder) and (not was_confirmed or _rank(answer) > _rank(self._me)):
                await self._yield_to(answer)
                return
        elif owner.token != self._me.token:
            await self._yield_to(owner)
            return
        self.confirmed_at = asked_at

    async def _watch(self) -> None:
        """Look for a holder; take over where there is none."""
        owner = await _asked(self._lease.read())
        predecessor = owner if isinstance(owner, Holder) and _is_dead_predecessor(owner, self._me) else None
        if isinstance(owner, Holder) and predecessor is None:
            self._stand_by(owner)
            return
        answer = await self._voice.ask(self._me.token)
        if isinstance(answer, Holder):
            self._stand_by(answer)
        elif isinstance(owner, Silence):
            self._missing_since = None
            if self.role is Role.UNDECIDED and answer is Silence.NOBODY:
                await self._start_alone()
        elif answer is Silence.UNREACHABLE:
            self._missing_since = None
        elif self._is_free(answer, predecessor):
            await self._take_over(predecessor)

    def _is_free(self, answer: Silence, predecessor: Holder | None) -> bool:
        """Whether the share may be taken: at the start at once where nobody is there, else after 5 seconds."""
        if answer is Silence.NOBODY and (self.role is Role.UNDECIDED or predecessor is not None):
            return True
        now = self._clock()
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since >= MISSING_SECONDS

    async def _start_alone(self) -> None:
        """Without Redis nothing changes hands, so that nobody else is there, but for one that starts right now.

        Both have claimed before they ask once more, so that one of them at least hears the other. The later one, or
        who does not get the other to give way, stays undecided until its next look.
        """
        claim = await self._claim()
        for _ in range(QUESTIONS):
            asked_at = self._clock()
            answer = await self._voice.ask(claim.token)
            if answer in (Silence.NOBODY, Silence.NO_ANSWER):
                self._become_holder(claim, asked_at)
                return
            if not isinstance(answer, Holder) or _rank(answer) < _rank(claim):
                break
        await self._voice.answer_as(None)

    async def _take_over(self, predecessor: Holder | None) -> None:
        # It answers first, so that a runtime that finds the lease finds the answer, too.
        claim, asked_at = await self._claim(), self._clock()
        owner = await _asked(self._lease.take(claim, instead_of=predecessor))
        if isinstance(owner, Holder) and owner.token == claim.token:
            self._become_holder(claim, asked_at)
            return
        await self._voice.answer_as(None)
        if isinstance(owner, Holder):
            self._stand_by(owner)

    async def _claim(self) -> Holder:
        claim = msgspec.structs.replace(self._me, since_ms=self._now_ms())
        await self._voice.answer_as(claim)
        return claim

    def _become_holder(self, claim: Holder, asked_at: float) -> None:
        self._me = claim
        self.confirmed_at = asked_at
        self._missing_since = None
        if self.role is Role.STANDBY:
            self.takeovers += 1
        self._change(Role.HOLDER, self._me)

    async def _yield_to(self, owner: Holder) -> None:
        await self._voice.answer_as(None)
        self._stand_by(owner)

    def _stand_by(self, owner: Holder) -> None:
        self._missing_since = None
        self._change(Role.STANDBY, owner)

    def _change(self, role: Role, holder: Holder) -> None:
        was, self.role, self.holder = self.role, role, holder
        if was is role:
            return
        log.warning("share.changed", role=role.value, before=was.value, holder=holder.instance_id)
        self.on_change(was, role)


async def _asked(request: Awaitable[T]) -> T | Silence:
    """The answer of Redis, or that it cannot be asked."""
    try:
        return await request
    except (RedisError, OSError, TimeoutError):
        return Silence.UNREACHABLE


def _ignore(before: Role, role: Role) -> None:
    """Nobody asked to be told of changes."""


def _rank(holder: Holder) -> tuple[int, str]:
    """Of two that hold the same share the later claim counts."""
    return holder.since_ms, holder.token


def _is_dead_predecessor(owner: Holder, me: Holder) -> bool:
    """Whether the lease is that of a process that ran on this very host and is no more."""
    if owner.host != me.host:
        return False
    if owner.pid == me.pid:
        return True  # A container that was started again.
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
