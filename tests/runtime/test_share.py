"""Who holds a share: the rules, with a lease, a voice and a clock that the tests move."""

import asyncio
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from realtime_runtime.standby.share import (
    CONFIRMED_SECONDS,
    LEASE_SECONDS,
    MISSING_SECONDS,
    Holder,
    Role,
    ShareKeeper,
    Silence,
)

ELSEWHERE = "another-host"


@dataclass
class World:
    """Redis with one lease, NATS with those who answer, and one clock (seconds) for everybody."""

    now: float = 1_000.0
    owner: Holder | None = None
    ends_at: float = 0.0
    answering: dict[str, Holder] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    has_redis: bool = True
    has_nats: bool = True

    def lease(self) -> Holder | None:
        return self.owner if self.now < self.ends_at else None


class WorldLease:
    def __init__(self, world: World) -> None:
        self.world = world

    async def read(self) -> Holder | None:
        if not self.world.has_redis:
            raise RedisConnectionError
        return self.world.lease()

    async def take(self, holder: Holder, *, instead_of: Holder | None = None) -> Holder:
        owner = await self.read()
        replaceable = {holder.token, instead_of.token if instead_of else holder.token}
        if owner is not None and owner.token not in replaceable:
            return owner
        self.world.owner, self.world.ends_at = holder, self.world.now + LEASE_SECONDS
        return holder

    async def release(self, holder: Holder) -> None:
        owner = await self.read()
        if owner is not None and owner.token == holder.token:
            self.world.owner = None


class WorldVoice:
    def __init__(self, world: World, token: str) -> None:
        self.world = world
        self.token = token

    async def ask(self, own_token: str) -> Holder | Silence:
        if not self.world.has_nats:
            return Silence.UNREACHABLE
        others = {token: holder for token, holder in self.world.answering.items() if token != own_token}
        for token, holder in others.items():
            if token not in self.world.frozen:
                return holder
        return Silence.NO_ANSWER if self.world.answering else Silence.NOBODY

    async def answer_as(self, holder: Holder | None) -> None:
        self.world.answering.pop(self.token, None)
        if holder is not None:
            self.world.answering[self.token] = holder


class Runtime:
    """A keeper in a world; ``roles`` is what it was told of its role."""

    def __init__(self, world: World, token: str, *, host: str = ELSEWHERE, pid: int = 1) -> None:
        self.world = world
        self.token = token
        self.roles: list[Role] = []
        self.keeper = ShareKeeper(
            WorldLease(world),
            WorldVoice(world, token),
            Holder(
                instance_id=f"{host}-{pid}", host=f"{host}-{token}" if host == ELSEWHERE else host, pid=pid, token=token
            ),
            clock=lambda: world.now,
            now_ms=lambda: round(world.now * 1000),
        )
        self.keeper.on_change = lambda before, role: self.roles.append(role)

    @property
    def role(self) -> Role:
        return self.keeper.role

    def kill(self) -> None:
        self.world.answering.pop(self.token, None)


async def pass_time(world: World, seconds: float, *alive: Runtime) -> None:
    for _ in range(round(seconds)):
        world.now += 1.0
        for runtime in alive:
            await runtime.keeper.step()


async def started(world: World, token: str, **more: Any) -> Runtime:
    runtime = Runtime(world, token, **more)
    await runtime.keeper.step()
    return runtime


async def test_start__alone__holds_at_once() -> None:
    world = World()
    first = await started(world, "a")
    assert first.role is Role.HOLDER
    assert first.keeper.is_confirmed
    assert first.roles == [Role.HOLDER]


async def test_start__while_another_holds__stands_by_and_names_it() -> None:
    world = World()
    first = await started(world, "a")
    second = await started(world, "b")
    assert (first.role, second.role) == (Role.HOLDER, Role.STANDBY)
    assert second.keeper.holder is not None
    assert second.keeper.holder.token == "a"
    assert not await second.keeper.may_publish()


async def test_standby__holder_killed__takes_over_after_five_seconds_without_both() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    first.kill()
    await pass_time(world, LEASE_SECONDS + MISSING_SECONDS - 1, second)
    assert second.role is Role.STANDBY
    await pass_time(world, 2, second)
    assert second.role is Role.HOLDER
    assert second.keeper.takeovers == 1


async def test_holder__frozen_then_awake__yields_before_it_publishes() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    world.frozen.add("a")
    await pass_time(world, LEASE_SECONDS + MISSING_SECONDS + 1, second)
    assert second.role is Role.HOLDER
    world.frozen.clear()
    assert not first.keeper.is_confirmed
    assert not await first.keeper.may_publish()
    assert first.role is Role.STANDBY
    assert second.role is Role.HOLDER


async def test_holder__frozen_shorter_than_the_others_wait__goes_on() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    world.frozen.add("a")
    await pass_time(world, CONFIRMED_SECONDS + 1, second)
    world.frozen.clear()
    assert await first.keeper.may_publish()
    await pass_time(world, 20, first, second)
    assert (first.role, second.role) == (Role.HOLDER, Role.STANDBY)


async def test_standby__lease_lost_but_holder_answers__nothing_changes_hands() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    for _ in range(20):
        world.owner = None  # As an eviction does, again and again.
        await second.keeper.step()
        world.now += 1.0
        await first.keeper.step()
    assert (first.role, second.role) == (Role.HOLDER, Role.STANDBY)


async def test_redis_away__holder_goes_on_and_standby_waits() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    world.has_redis = False
    await pass_time(world, 60, first, second)
    assert await first.keeper.may_publish()
    first.kill()
    await pass_time(world, 60, second)
    assert second.role is Role.STANDBY


async def test_redis_away__at_the_start_of_two__one_of_them_holds() -> None:
    world = World(has_redis=False)
    first, second = Runtime(world, "a"), Runtime(world, "b")
    await asyncio.gather(first.keeper.step(), second.keeper.step())
    await pass_time(world, 3, first, second)
    assert [first.role, second.role].count(Role.HOLDER) == 1


async def test_two_hold_without_redis__the_later_claim_counts() -> None:
    world = World(has_redis=False)
    first = await started(world, "a")
    world.answering.clear()  # A network that was cut between them.
    world.now += 1
    second = await started(world, "b")
    assert (first.role, second.role) == (Role.HOLDER, Role.HOLDER)
    assert first.keeper.holder is not None
    world.answering["a"] = first.keeper.holder
    await pass_time(world, 2, first, second)
    assert (first.role, second.role) == (Role.STANDBY, Role.HOLDER)


async def test_nats_away__standby_does_not_take_over() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    first.kill()
    world.has_nats = False
    await pass_time(world, 30, second)
    assert second.role is Role.STANDBY
    world.has_nats = True
    await pass_time(world, MISSING_SECONDS + 1, second)
    assert second.role is Role.HOLDER


async def test_holder__redis_and_nats_away__may_not_publish_after_five_seconds() -> None:
    world = World()
    first = await started(world, "a")
    world.has_redis = world.has_nats = False
    await pass_time(world, CONFIRMED_SECONDS + 1, first)
    assert not await first.keeper.may_publish()
    assert first.role is Role.HOLDER
    world.has_nats = True
    assert await first.keeper.may_publish()


async def test_start__lease_of_a_dead_process_of_this_host__holds_at_once() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await child.wait()
    world = World()
    world.owner = Holder(instance_id="h-1", host="h", pid=child.pid, token="before")
    world.ends_at = world.now + LEASE_SECONDS
    assert (await started(world, "a", host="h", pid=os.getpid())).role is Role.HOLDER


async def test_start__lease_of_a_living_process_of_this_host__stands_by() -> None:
    world = World()
    world.owner = Holder(instance_id="h-1", host="h", pid=os.getppid(), token="before")
    world.ends_at = world.now + LEASE_SECONDS
    assert (await started(world, "a", host="h", pid=os.getpid())).role is Role.STANDBY


async def test_end_in_good_order__standby_takes_over_without_waiting_for_the_lease() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    await first.keeper.withdraw()
    await pass_time(world, MISSING_SECONDS + 1, second)
    assert second.role is Role.HOLDER


async def test_takeover__the_former_holder_comes_back__is_given_nothing_back() -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    first.kill()
    await pass_time(world, 15, second)
    again = await started(world, "c")
    await pass_time(world, 30, second, again)
    assert (second.role, again.role) == (Role.HOLDER, Role.STANDBY)


@pytest.mark.parametrize("seconds", [1, 4, 8, 9, 12])
async def test_any_freeze__at_most_one_may_publish_at_each_instant(seconds: int) -> None:
    world = World()
    first, second = await started(world, "a"), await started(world, "b")
    world.frozen.add("a")
    await pass_time(world, seconds, second)
    world.frozen.clear()
    for _ in range(20):
        may = [await first.keeper.may_publish(), await second.keeper.may_publish()]
        assert may.count(True) == 1
        await pass_time(world, 1, first, second)


class SlowVoice(WorldVoice):
    """One whose answers let others have their turn."""

    async def ask(self, own_token: str) -> Holder | Silence:
        answer = await super().ask(own_token)
        await asyncio.sleep(0)
        return answer


@pytest.mark.parametrize("skew_ms", [0, 5_000, -5_000])
async def test_redis_away__two_start_at_the_same_instant__never_do_both_hold(skew_ms: int) -> None:
    world = World(has_redis=False)
    both = [Runtime(world, token) for token in ("a", "b")]
    for runtime, shift_ms in zip(both, (0, skew_ms), strict=True):
        me = Holder(instance_id=runtime.token, host=ELSEWHERE, pid=1, token=runtime.token)
        runtime.keeper = ShareKeeper(
            WorldLease(world),
            SlowVoice(world, runtime.token),
            me,
            clock=lambda: world.now,
            now_ms=lambda shift_ms=shift_ms: round(world.now * 1000) + shift_ms,
        )
    await asyncio.gather(*(runtime.keeper.step() for runtime in both))
    assert sum(runtime.role is Role.HOLDER for runtime in both) <= 1
    await asyncio.sleep(0)
    await pass_time(world, 2, *both)
    assert sorted(runtime.role.value for runtime in both) == ["holder", "standby"]
