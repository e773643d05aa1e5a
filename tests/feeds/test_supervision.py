"""The supervisor: waits, their growth and their end; Retry-After in its spellings."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from realtime_runtime.feeds import supervision
from realtime_runtime.feeds.supervision import FeedError, RateLimitedError, Status, root_cause, supervise
from realtime_runtime.feeds.web import refused, retry_after
from service_kit.backoff import Backoff

# In UTC there is no such year.
BEYOND = "Fri, 31 Dec 9999 23:59:59 -0100"


class Failing:
    """A source that fails with each of the errors in turn, then runs."""

    silence_seconds = 60.0

    def __init__(self, *errors: Exception) -> None:
        self.status = Status("failing")
        self._errors = list(errors)
        self.is_running = asyncio.Event()

    async def run(self) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.is_running.set()
        await asyncio.Event().wait()


async def test_supervise__any_failure__is_counted_told_and_followed_by_a_start() -> None:
    source = Failing(FeedError("gone"), ValueError("a defect of ours"), ExceptionGroup("several", [OSError("net")]))
    task = asyncio.create_task(supervise(source, Backoff(first_seconds=0.001, last_seconds=0.001)))
    await source.is_running.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (source.status.starts, source.status.failures) == (4, 3)
    assert source.status.last_error == "OSError: net"


async def test_supervise__asked_to_wait__waits_at_least_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(supervision.asyncio, "sleep", note)
    source = Failing(ExceptionGroup("both", [FeedError("first"), RateLimitedError("429", 77.0)]), FeedError("x"))
    source.silence_seconds = 60.0
    with pytest.raises(asyncio.CancelledError):
        await supervise(source, Backoff(first_seconds=0.001, last_seconds=60))
    assert waits[0] == 77.0


async def test_supervise__source_that_was_well__starts_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise asyncio.CancelledError

    class Living(Failing):
        async def run(self) -> None:
            self.status.heard_at += supervision.HEALTHY_SECONDS + 1
            await super().run()

    monkeypatch.setattr(supervision.asyncio, "sleep", note)
    source = Living(*(FeedError("cut off") for _ in range(5)))
    with pytest.raises(asyncio.CancelledError):
        await supervise(source, Backoff(first_seconds=1, last_seconds=60, draw=lambda: 0.0))
    assert waits == [1, 1, 1, 1]


def test_root_cause__groups_in_groups__finds_the_first_error() -> None:
    assert str(root_cause(ExceptionGroup("a", [ExceptionGroup("b", [FeedError("inner")])]))) == "inner"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5.0), ("0", 0.0), ("", 0.0), ("soon", 0.0), ("-5", 0.0), ("999999999", 3 * 24 * 3600.0), (BEYOND, 0.0)],
)
def test_retry_after__seconds__are_read_and_bounded(text: str, seconds: float) -> None:
    assert retry_after({"Retry-After": text}) == seconds


def test_retry_after__date__is_the_time_until_then() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    assert retry_after({"Retry-After": format_datetime(moment, usegmt=True)}) == pytest.approx(100, abs=5)


@pytest.mark.parametrize(("status", "seconds"), [(429, 60.0), (418, 300.0)])
def test_refused__without_retry_after__waits_by_the_kind(status: int, seconds: float) -> None:
    error = refused(status, {}, "https://x.example")
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_seconds == seconds


def test_status__clocks_apart__are_warned_of_once() -> None:
    status = Status("x")
    status.event_time(time.time_ns() // 1_000_000 - 60_000)
    assert status.is_skew_logged
    assert status.skew_ms == pytest.approx(-60_000, abs=5_000)
    status.event_time(time.time_ns() // 1_000_000)
    assert not status.is_skew_logged
