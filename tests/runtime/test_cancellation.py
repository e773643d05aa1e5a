"""Cancellation of what swallows it."""

import asyncio

import pytest

from service_kit.cancellation import cancel, cancellable


async def swallow(times: int) -> None:
    """Go on after so many cancellations, as a library does that takes one for the end of its own wait."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def test_cancel__swallowed__is_repeated_until_it_arrives() -> None:
    task = asyncio.create_task(swallow(3))
    await asyncio.sleep(0)
    await cancel([task], again_seconds=0.01)
    assert task.cancelled()


async def test_cancellable__cancelled_and_swallowed__ends_all_the_same() -> None:
    task = asyncio.create_task(cancellable(swallow(2), name="work", again_seconds=0.01))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.get_name() for each in asyncio.all_tasks() if each.get_name() == "work"] == []


async def test_cancellable__work__returns_and_raises_what_it_does() -> None:
    assert await cancellable(asyncio.sleep(0, "result"), name="work") == "result"

    async def fail() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await cancellable(fail(), name="work")
