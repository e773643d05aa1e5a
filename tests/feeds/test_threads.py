"""Work in threads that nobody waits for."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from realtime_runtime.feeds.sources import threads
from tests.waiting import eventually


async def test_in_thread__work__is_done_elsewhere_and_its_result_comes_back() -> None:
    name = await threads.in_thread(lambda: threading.current_thread().name, name="elsewhere")
    assert name == "elsewhere"


async def test_in_thread__work_that_raises__raises_here() -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.in_thread(lambda: 1 // 0, name="elsewhere")


@pytest.mark.parametrize("ending", [None, ValueError("too late")])
async def test_in_thread__cancelled__does_not_wait_and_what_comes_later_is_dropped(ending: Exception | None) -> None:
    has_begun, may_end, problems = threading.Event(), threading.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))

    def work() -> None:
        has_begun.set()
        may_end.wait()
        if ending is not None:
            raise ending

    task = asyncio.create_task(threads.in_thread(work, name="slow"))
    await eventually(has_begun.is_set)
    (thread,) = [each for each in threading.enumerate() if each.name == "slow"]
    assert thread.daemon
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert thread.is_alive()
    may_end.set()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    assert problems == []


async def test_imported__module__is_frozen_the_first_time_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(threads.gc, "freeze", lambda: frozen.append(True))
    (tmp_path / "imported_late.py").write_text("ANSWER = 42")
    monkeypatch.syspath_prepend(tmp_path)
    module = await threads.imported("imported_late")
    assert (module.ANSWER, await threads.imported("imported_late")) == (42, module)
    assert frozen == [True]
    del sys.modules["imported_late"]
