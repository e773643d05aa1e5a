"""Identities that the process remembers: as long as the counter stands still, and no longer than they should."""

import pytest
from rest_framework.exceptions import AuthenticationFailed

from strategy_config.api.common.authentication import REMEMBERED_SECONDS, Identity, IdentityMemory
from strategy_config.exceptions import StoreUnavailableError

JANE = Identity("jane", frozenset({"view"}))


class Store:
    """Counts how often it is asked; answers, refuses or is away."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None

    def __call__(self) -> Identity:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return JANE


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The memory's clock: one number, to be set."""
    now = [1_000.0]
    monkeypatch.setattr("strategy_config.api.common.authentication.time.monotonic", lambda: now[0])
    return now


def _identify(
    memory: IdentityMemory, store: Store, counter: bytes | None = b"1", *, may_be_old: bool = True
) -> Identity:
    return memory.identify("digest", store, counter=counter, may_be_old=may_be_old)


def test_identify__counter_stands_still__asks_once(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    for _ in range(3):
        clock[0] += 100
        assert _identify(memory, store) == JANE
    assert store.asked == 1


@pytest.mark.parametrize("counter", [b"2", None])
def test_identify__counter_moved_or_unknown__asks_again(clock: list[float], counter: bytes | None) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    _identify(memory, store, counter)
    assert store.asked == 2


def test_identify__after_ten_minutes__asks_again(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    clock[0] += REMEMBERED_SECONDS
    _identify(memory, store)
    assert store.asked == 2


def test_identify__after_the_counter_was_unreadable__asks_again(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    clock[0] += 1
    memory.distrust()
    _identify(memory, store)
    assert store.asked == 2


def test_identify__refused__is_forgotten(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    store.failure = AuthenticationFailed()
    with pytest.raises(AuthenticationFailed):
        _identify(memory, store, b"2")
    store.failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        _identify(memory, store, b"2")


def test_identify__store_away__seen_within_ten_minutes_may_read(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    store.failure = StoreUnavailableError("away")
    for _ in range(5):
        clock[0] += REMEMBERED_SECONDS - 1
        assert _identify(memory, store, None) == JANE
    clock[0] += REMEMBERED_SECONDS
    with pytest.raises(StoreUnavailableError):
        _identify(memory, store, None)


def test_identify__store_away__may_not_write_and_strangers_may_nothing(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    store.failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        _identify(memory, store, None, may_be_old=False)
    with pytest.raises(StoreUnavailableError):
        memory.identify("stranger", store, counter=None, may_be_old=True)


def test_identify__store_away_since_rights_have_changed__may_nothing(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store, b"1")
    store.failure = StoreUnavailableError("too slow")
    with pytest.raises(StoreUnavailableError):
        _identify(memory, store, b"2")
    assert _identify(memory, store, b"1") == JANE


def test_identify__store_away__is_asked_once_a_second(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()
    _identify(memory, store)
    store.failure = StoreUnavailableError("away")
    for _ in range(20):
        clock[0] += 0.1
        _identify(memory, store, None)
    assert store.asked <= 4


def test_identify__always_loaded__asks_every_time_and_is_known_without_the_store(clock: list[float]) -> None:
    memory, store = IdentityMemory(), Store()

    def identify(counter: bytes) -> Identity:
        return memory.identify("session", store, counter=counter, may_be_old=True, is_always_loaded=True)

    for _ in range(3):
        identify(b"1")
    assert store.asked == 3
    store.failure = StoreUnavailableError("away")
    assert identify(b"1") == JANE
    with pytest.raises(StoreUnavailableError):
        identify(b"2")
