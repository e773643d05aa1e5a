"""The breaker before the store: what opens it, whom it lets try, what closes it."""

import threading
from collections.abc import Iterator

import pytest

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store import circuit_breaker
from strategy_config.store.circuit_breaker import Breaker, Verdict


class LostError(Exception):
    """The call got no answer."""


class Clock:
    """The seconds that the breaker sees."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(circuit_breaker.time, "monotonic", clock)
    return clock


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("tested", "It is away.")


def fail(breaker: Breaker, verdict: Verdict = Verdict.DEAD) -> None:
    with pytest.raises(LostError), breaker.passage(lambda exception: verdict):
        raise LostError


def succeed(breaker: Breaker) -> None:
    with breaker.passage(lambda exception: Verdict.DEAD):
        pass


@pytest.mark.parametrize(
    ("verdict", "is_open"), [(Verdict.DEAD, True), (Verdict.UNCLEAR, False), (Verdict.ALIVE, False)]
)
def test_breaker__after_a_failure__open_where_the_store_is_dead(
    breaker: Breaker, verdict: Verdict, is_open: bool
) -> None:
    fail(breaker, verdict)
    assert breaker.is_open is is_open


def test_breaker__open__pauses_grow_to_a_bound_and_one_success_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    pauses = []
    for _ in range(8):
        with pytest.raises(StoreUnavailableError, match="away"):
            succeed(breaker)
        pauses.append(breaker.seconds_to_try())
        clock.now += pauses[-1]
        fail(breaker)
    bounds = [min(0.25 * 2**attempt, 5.0) for attempt in range(8)]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))
    clock.now += breaker.seconds_to_try()
    succeed(breaker)
    assert not breaker.is_open
    succeed(breaker)


def test_breaker__being_tried__refuses_all_others(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += breaker.seconds_to_try()
    refused = []

    def other() -> None:
        try:
            succeed(breaker)
        except StoreUnavailableError as exception:
            refused.append(exception)

    with breaker.passage(lambda exception: Verdict.DEAD):
        succeed(breaker)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert not breaker.is_open


@pytest.fixture
def crowd(breaker: Breaker) -> Iterator[threading.Event]:
    """As many calls as it lets through are under way, until the event is set."""
    go_on, inside = threading.Event(), threading.Barrier(circuit_breaker.MOST_CALLS + 1)

    def hang() -> None:
        with breaker.passage(lambda exception: Verdict.DEAD):
            inside.wait()
            go_on.wait()

    threads = [threading.Thread(target=hang) for _ in range(circuit_breaker.MOST_CALLS)]
    for thread in threads:
        thread.start()
    inside.wait()
    yield go_on
    go_on.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def warm_breaker(breaker: Breaker) -> Breaker:
    """One whose store has answered before; asked for ahead of ``crowd``."""
    succeed(breaker)
    return breaker


def test_breaker__with_as_many_calls_as_it_lets_through__refuses_once_none_has_ended_in_time(
    warm_breaker: Breaker, breaker: Breaker, clock: Clock, crowd: threading.Event
) -> None:
    clock.now += circuit_breaker.STALLED_SECONDS
    with pytest.raises(StoreUnavailableError):
        succeed(breaker)
    breaker.heard()
    threading.Timer(0.05, crowd.set).start()
    succeed(breaker)


def test_breaker__before_the_first_answer_of_all__waits_longer_for_it(
    breaker: Breaker, clock: Clock, crowd: threading.Event
) -> None:
    clock.now += circuit_breaker.COLD_STALLED_SECONDS - 1.0
    threading.Timer(0.05, crowd.set).start()
    succeed(breaker)


def test_breaker__whose_first_answers_never_come__refuses_in_the_end(
    breaker: Breaker, clock: Clock, crowd: threading.Event
) -> None:
    clock.now += circuit_breaker.COLD_STALLED_SECONDS
    with pytest.raises(StoreUnavailableError):
        succeed(breaker)
