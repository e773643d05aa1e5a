"""The site's copy of the stream of signals: it is what the stream is, whatever happens to that."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from redis.client import Pipeline

from strategy_config.observed import recent_signals
from strategy_config.observed.recent_signals import SignalFilter
from tests.factories import NOON
from tests.signals import NOON_MS, signal_json, store
from tests.strategy_config.conftest import CacheUnderTest

EVERY = SignalFilter()
FULL = 10_000


def write(cache: CacheUnderTest, *payloads: bytes) -> None:
    store(cache.client, cache.keys.prefix, *payloads)


def prices(chosen: SignalFilter = EVERY, limit: int = FULL * 2) -> list[float]:
    return [signal.price for signal in recent_signals.newest(chosen, limit=limit)]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, [4.0, 3.0, 2.0, 1.0]),
        ({"strategy_id": "ticker_velocity"}, [4.0]),
        ({"symbol": "ETHUSDT"}, [3.0]),
        ({"action": "sell"}, [2.0]),
        ({"global_version": 7}, [3.0, 2.0]),
        ({"global_version": 0}, [4.0, 1.0]),
        ({"symbol_version": 2}, [2.0]),
        ({"since": NOON + timedelta(seconds=3)}, [4.0, 3.0]),
        ({"global_version": 7, "symbol": "BTCUSDT"}, [2.0]),
        ({"symbol": "XRPUSDT"}, []),
    ],
)
def test_newest__filtered__only_those_newest_first(
    cache: CacheUnderTest, chosen: dict[str, Any], found: list[float]
) -> None:
    write(
        cache,
        signal_json(price=1.0, time_ms=NOON_MS + 1_000),
        signal_json(price=2.0, time_ms=NOON_MS + 2_000, action="sell", versions=(7, 2)),
        signal_json(price=3.0, time_ms=NOON_MS + 3_000, symbol="ETHUSDT", versions=(7, 1)),
        signal_json(price=4.0, time_ms=NOON_MS + 4_000, strategy_id="ticker_velocity"),
    )
    assert prices(SignalFilter(**chosen)) == found
    assert prices(SignalFilter(**chosen), limit=1) == found[:1]


def test_find__counts_what_matches_and_of_which_symbols(cache: CacheUnderTest) -> None:
    write(cache, *(signal_json(price=float(number)) for number in range(1, 4)), signal_json(symbol="ETHUSDT"))
    found = recent_signals.find(SignalFilter(action="buy"), limit=2)
    assert (len(found.signals), found.matching, found.kept) == (2, 4, 4)
    assert found.symbols == {"BTCUSDT": 3, "ETHUSDT": 1}


def test_signal__simulated_or_not__is_told(cache: CacheUnderTest) -> None:
    write(cache, signal_json(is_simulated=True), signal_json(time_ms=NOON_MS + 1))
    assert [signal.is_simulated for signal in recent_signals.newest(EVERY, limit=9)] == [False, True]


def test_entry__that_is_no_signal__is_passed_over(cache: CacheUnderTest) -> None:
    write(cache, signal_json(price=1.0), b"no signal", b'{"id": "x"}', b"\xff", signal_json(price=2.0))
    assert prices() == [2.0, 1.0]


def test_stream__full_and_moving_on__is_read_once_and_kept_alike(
    cache: CacheUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache, *(signal_json(price=1.0 + number) for number in range(FULL + 500)))
    assert prices(limit=FULL * 2) == [1.0 + number for number in reversed(range(500, FULL + 500))][: stream(cache)]
    write(cache, signal_json(price=7.0))
    sent: list[int] = []
    execute = Pipeline.execute

    def counted(self: Pipeline, *arguments: Any, **options: Any) -> Any:
        answer = execute(self, *arguments, **options)
        sent.append(len(answer[0]))
        return answer

    monkeypatch.setattr(Pipeline, "execute", counted)
    assert prices(SignalFilter(symbol="XRPUSDT")) == []
    assert sent == [1]


def stream(cache: CacheUnderTest) -> int:
    return cache.client.xlen(cache.keys.signals)


def pass_millisecond(cache: CacheUnderTest) -> None:
    """Ids are made of the server's clock: a stream begun anew within one millisecond would go on where it was."""

    def millisecond() -> int:
        seconds, microseconds = cache.client.time()
        return seconds * 1000 + microseconds // 1000

    now = millisecond()
    while millisecond() == now:
        pass


@pytest.mark.parametrize("refilled", [0, 1, 3])
def test_stream__lost_and_begun_anew__shows_what_is_there_now(cache: CacheUnderTest, refilled: int) -> None:
    write(cache, signal_json(price=1.0), signal_json(price=2.0))
    assert prices() == [2.0, 1.0]
    cache.forget()
    pass_millisecond(cache)
    write(cache, *(signal_json(price=10.0 + number) for number in range(refilled)))
    assert prices() == [10.0 + number for number in reversed(range(refilled))]


def test_stream__whose_ids_begin_lower__is_read_anew(cache: CacheUnderTest) -> None:
    write(cache, signal_json(price=1.0))
    assert prices() == [1.0]
    cache.forget()
    entry: dict[Any, Any] = {"p": signal_json(price=3.0)}
    cache.client.xadd(cache.keys.signals, entry, id="5-1")
    assert prices() == [3.0]


def test_stream__trimmed__gives_up_what_it_gave_up(cache: CacheUnderTest) -> None:
    write(cache, *(signal_json(price=1.0 + number) for number in range(5)))
    assert len(prices()) == 5
    cache.client.xtrim(cache.keys.signals, maxlen=2, approximate=False)
    assert prices() == [5.0, 4.0]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        signal_json().replace(b"+00:00", b""),
        signal_json().replace(b'"skew"', b'"\xff"'),
        signal_json()[:-1] + b',"deep":' + b"[" * 100_000,
    ],
    ids=["nothing", "{}", "no zone", "no UTF-8", "too deep"],
)
def test_stream__entry_that_is_no_signal__is_left_out(cache: CacheUnderTest, payload: bytes) -> None:
    write(cache, signal_json(price=1.0), payload, signal_json(price=2.0))
    assert prices(SignalFilter(since=NOON - timedelta(days=1))) == [2.0, 1.0]


def test_stream__entry_of_a_time_that_no_date_has__is_left_out(cache: CacheUnderTest) -> None:
    write(cache, signal_json(price=1.0))
    entry: dict[Any, Any] = {"p": signal_json(price=3.0)}
    cache.client.xadd(cache.keys.signals, entry, id="999999999999999999-1")
    assert prices() == [1.0]


def test_redis__away__says_so(own_cache: CacheUnderTest, fresh_valkey: Any) -> None:
    write(own_cache, signal_json())
    assert len(prices()) == 1
    fresh_valkey.stop()
    with pytest.raises(recent_signals.redis_client.RedisUnavailableError):
        prices()
    with pytest.raises(redis.ConnectionError):
        own_cache.client.ping()
