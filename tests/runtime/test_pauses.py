"""A process that stood still: what it knew before is confirmed anew before a signal leaves."""

from realtime_runtime.standby.pauses import PAUSE_SECONDS, PauseGate, Pauses
from realtime_runtime.standby.share import CONFIRMED_SECONDS, LEASE_SECONDS, Holder
from tests.runtime.test_share import Runtime, World, WorldLease, started

# Longer than a pause, shorter than the confirmation of a share holds.
STANDS_STILL_SECONDS = PAUSE_SECONDS + 1.0


class Stops:
    """Counts how often they were confirmed."""

    def __init__(self) -> None:
        self.confirmed = 0

    async def confirm(self) -> None:
        self.confirmed += 1


def gate_of(world: World, runtime: Runtime, stops: Stops) -> PauseGate:
    return PauseGate(runtime.keeper, Pauses(lambda: world.now), stops.confirm)


async def test_gate__without_a_pause__asks_nothing() -> None:
    world, stops = World(), Stops()
    gate = gate_of(world, await started(world, "a"), stops)
    for _ in range(4):
        world.now += PAUSE_SECONDS
        assert gate.is_confirmed
        assert await gate.may_publish()
    assert stops.confirmed == 0


async def test_gate__after_a_pause__is_shut_until_share_and_stops_are_confirmed() -> None:
    world, stops = World(), Stops()
    runtime = await started(world, "a")
    gate = gate_of(world, runtime, stops)
    world.now += STANDS_STILL_SECONDS
    assert runtime.keeper.is_confirmed
    assert not gate.is_confirmed
    assert await gate.may_publish()
    assert (gate.is_confirmed, stops.confirmed) == (True, 1)
    assert await gate.may_publish()
    assert stops.confirmed == 1


async def test_gate__another_pause_while_the_stops_are_confirmed__stays_shut() -> None:
    world = World()
    runtime = await started(world, "a")

    class Frozen(Stops):
        async def confirm(self) -> None:
            await super().confirm()
            world.now += STANDS_STILL_SECONDS

    gate = gate_of(world, runtime, Frozen())
    world.now += STANDS_STILL_SECONDS
    assert not await gate.may_publish()


async def test_gate__another_took_the_share_meanwhile__closes_and_asks_no_more() -> None:
    world, stops = World(), Stops()
    first, second = await started(world, "a"), await started(world, "b")
    gate = gate_of(world, first, stops)
    world.frozen.add("a")
    for _ in range(12):
        world.now += 1.0
        await second.keeper.step()
    world.frozen.clear()
    assert not await gate.may_publish()
    assert (gate.is_closed, stops.confirmed) == (True, 0)


async def test_holder__stood_still_between_question_and_answer__is_not_confirmed_by_that_answer() -> None:
    world = World()
    runtime = await started(world, "a")

    class FrozenLease(WorldLease):
        async def take(self, holder: Holder, *, instead_of: Holder | None = None) -> Holder:
            owner = await super().take(holder, instead_of=instead_of)
            world.now += CONFIRMED_SECONDS + LEASE_SECONDS
            return owner

    runtime.keeper._lease = FrozenLease(world)
    await runtime.keeper.step()
    assert not runtime.keeper.is_confirmed
