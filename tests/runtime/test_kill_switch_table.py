"""The kill switch table: what was stopped sends no signal, whatever happens to its documents, Redis or the snapshot."""

import json
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from embedded.servers import Valkey
from realtime_runtime.config import snapshot as snapshot_module
from realtime_runtime.config.client import ConfigClient
from strategy_core.configuration import redis_keys
from strategy_core.configuration.halts import Halt
from strategy_core.engine.engine import Engine
from strategy_core.strategies.registry import STRATEGIES
from tests.runtime.conftest import RunningClient
from tests.runtime.market import START_MS, depth
from tests.runtime.site import Site, document, layer_config
from tests.waiting import eventually

SKEW = "orderbook_skew"
BTC, ETH = "BTCUSDT", "ETHUSDT"
NOWHERE = "redis://127.0.0.1:1/0"
BY_DEFAULT = {strategy.id for strategy in STRATEGIES.values() if strategy.enabled_by_default}
Documents = dict[str, bytes]
Stopped = set[tuple[str, str]]


def documents(sequence: int, off: Callable[[str, str | None], bool] = lambda *_: False) -> Documents:
    """What a site publishes of all strategies and one symbol of one; ``off`` says which switches are off."""
    layers = [(strategy_id, None) for strategy_id in STRATEGIES] + [(SKEW, BTC)]
    return {
        redis_keys.field_name(strategy_id, symbol): document(
            layer_config(
                strategy_id,
                symbol,
                sequence=sequence,
                version=sequence,
                enabled=not off(strategy_id, None) and not (symbol and off(strategy_id, symbol)),
            )
        )
        for strategy_id, symbol in layers
    }


STATES: dict[str, tuple[Callable[[str, str | None], bool], Stopped]] = {
    "strategy off": (lambda strategy_id, symbol: (strategy_id, symbol) == (SKEW, None), {(SKEW, BTC), (SKEW, ETH)}),
    "symbol off": (lambda strategy_id, symbol: (strategy_id, symbol) == (SKEW, BTC), {(SKEW, BTC)}),
    "all off": (
        lambda strategy_id, symbol: symbol is None,
        {(strategy_id, symbol) for strategy_id in STRATEGIES for symbol in (BTC, ETH)},
    ),
}
HALT = Halt(id="5f0c5a52-30cf-4f43-9a8a-0f6f9a2a1c11", by="ann", reason="a test", channel="api")
HALTED = {
    "halted": (lambda strategy_id, symbol: False, STATES["all off"][1]),
}
EVERY_STATE = {**STATES, **HALTED}


def cells(rows: Iterable[str], states: Iterable[str]) -> list[ParameterSet]:
    """Each row with each state. For `make test` each row has one of the states, in turns; the other cells are slow."""
    names = list(states)
    return [
        pytest.param(state, row, marks=() if number % len(names) == names.index(state) else pytest.mark.slow)
        for number, row in enumerate(rows)
        for state in names
    ]


def trading(client: ConfigClient) -> Stopped:
    """What may trade, by the switches in force and by the signals of an engine that runs on them."""
    engine = Engine(STRATEGIES, client.live.active, owns_symbol=lambda _: True, message_ttl_ms=0)
    sent = [
        (signal.strategy_id, signal.symbol)
        for symbol in (BTC, ETH)
        for at, quantity in enumerate((1.0, 9.0))
        for signal in engine.market(
            depth(symbol, bid_quantity=quantity, time_ms=START_MS + 1_000 * at), received_ms=START_MS, is_replay=True
        )
    ]
    switched_on = {
        (strategy_id, symbol)
        for strategy_id in STRATEGIES
        for symbol in (BTC, ETH)
        if client.live.active.lookup(strategy_id, symbol).enabled
        and not client.live.active.halts.is_halted(strategy_id, symbol)
    }
    assert set(sent) == switched_on & {(SKEW, BTC), (SKEW, ETH)}
    return switched_on


def _changed(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def spoil(raw: bytes) -> bytes:
        content = json.loads(raw)
        change(content)
        return json.dumps(content).encode()

    return spoil


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "out of range": _changed(
        lambda content: content["config"].update(parameters=dict.fromkeys(content["config"]["parameters"], 1e12))
    ),
    "unknown parameter": _changed(lambda content: content["config"]["parameters"].update(cooldown=3)),
    "parameter of an older site missing": _changed(lambda content: content["config"]["parameters"].popitem()),
    "members of a newer site": _changed(lambda content: content["config"].update(sources={"x": "refused"}, refused=[])),
    "unknown format": _changed(lambda content: content.update(format=3)),
    "parameters of another shape": _changed(lambda content: content["config"].update(parameters=[])),
    "half an expiry": _changed(lambda content: content.update(expires_at_ms=1)),
    "no switch": _changed(lambda content: content["config"].pop("enabled")),
    "another layer's": _changed(lambda content: content["config"].update(strategy_id="nobody")),
    "not JSON": lambda raw: raw[:-1],
    "nothing": lambda raw: b"null",
}


@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize(("state", "spoiled"), cells(SPOILED, STATES))
async def test_stop__in_a_document_that_cannot_be_taken__is_obeyed(
    site: Site, valkey: Valkey, running_client: RunningClient, state: str, spoiled: str, is_restarted: bool
) -> None:
    """The stop itself comes in documents of a site of another version, or damaged ones; then Redis goes away, too."""
    off, stopped = STATES[state]
    async with running_client(valkey.url) as client:
        await site.publish(documents(1))
        await eventually(lambda: trading(client) >= stopped)
        assert await client.save_snapshot()
        if is_restarted:
            await _spoiled_stop(site, off, spoiled)
        else:
            await _spoiled_stop(site, off, spoiled)
            await eventually(lambda: client.live.sequence == 2)
            assert not trading(client) & stopped
            assert await client.save_snapshot()
    if is_restarted:
        async with running_client(valkey.url) as client:
            await eventually(lambda: client.live.sequence == 2)
            assert not trading(client) & stopped
            assert await client.save_snapshot()
    async with running_client(NOWHERE) as client:
        assert client.live.sequence == 2
        assert not trading(client) & stopped


SPOILED_HALTS: dict[str, bytes] = {
    "null": b"null",
    "a list": b"[]",
    "without a scope": f'{{"id": "{HALT.id}"}}'.encode(),
    "a scope of another shape": f'{{"id": "{HALT.id}", "scope": "everything"}}'.encode(),
    "a scope of another version": f'{{"id": "{HALT.id}", "scope": {{"side": "BUY"}}, "format": 2}}'.encode(),
    "texts of other types": f'{{"id": "{HALT.id}", "scope": null, "by": 7, "reason": [], "at": 0}}'.encode(),
}


@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("spoiled", SPOILED_HALTS)
async def test_halt__whose_record_cannot_be_taken__is_obeyed(
    site: Site, valkey: Valkey, running_client: RunningClient, spoiled: str, is_restarted: bool
) -> None:
    stopped = HALTED["halted"][1]
    async with running_client(valkey.url) as client:
        await site.publish(documents(1))
        await eventually(lambda: trading(client) >= stopped)
        if not is_restarted:
            await site.halt_by_record(HALT.id, SPOILED_HALTS[spoiled])
            await eventually(lambda: client.live.sequence == 2)
            assert not trading(client) & stopped
    if is_restarted:
        await site.halt_by_record(HALT.id, SPOILED_HALTS[spoiled])
        async with running_client(valkey.url) as client:
            await eventually(lambda: client.live.sequence == 2)
            assert not trading(client) & stopped
    async with running_client(NOWHERE) as client:
        assert not trading(client) & stopped


async def test_halt__then_switched_on_by_everything__stays(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    """No change, complete read or rewrite ends it; its own resume does."""
    off, stopped = HALTED["halted"]
    async with running_client(valkey.url, ttl_seconds=0.2) as client:
        await _stop(site, client, off, stopped)
        await site.publish(documents(3))
        await eventually(lambda: client.live.sequence == 3)
        assert not trading(client) & stopped
        await site.rewrite(documents(3))
        await _looked_again(client)
        assert not trading(client) & stopped
        await site.resume(HALT.id)
        await eventually(lambda: trading(client) >= stopped)


async def _spoiled_stop(site: Site, off: Callable[[str, str | None], bool], spoiled: str) -> None:
    """Only the documents of what is stopped are spoiled, the others are as they should be."""
    wanted = documents(2, off)
    before = documents(2)
    changed = {field: SPOILED[spoiled](raw) for field, raw in wanted.items() if raw != before[field]}
    await site.publish({**wanted, **changed})


async def _delete(site: Site, *names: str) -> None:
    await site.redis.delete(*(f"{site.keys.prefix}:{name}" for name in names))


async def _delete_fields(site: Site, *names: str) -> None:
    for name in names:
        await site.redis.hdel(f"{site.keys.prefix}:{name}", *documents(1))


async def _delete_all(site: Site) -> None:
    await site.redis.delete(*[key async for key in site.redis.scan_iter(f"{site.keys.prefix}:*")])


async def _set_back(site: Site) -> None:
    """As a replica that lacked the last change, or a backup, has it."""
    await _delete(site, "changes", "sequences", "config", "sequence")
    site.sequence = 0
    await site.publish(documents(1))


async def _lose_and_set_back(site: Site) -> None:
    await _set_back(site)
    await _delete(site, "sequences")


LOSSES: dict[str, Callable[[Site], Awaitable[None]]] = {
    "documents": lambda site: _delete(site, "config"),
    "each document": lambda site: _delete_fields(site, "config"),
    "one document of the strategy": lambda site: site.redis.hdel(site.keys.config, SKEW),
    "one document of the symbol": lambda site: site.redis.hdel(site.keys.config, f"{SKEW}:{BTC}"),
    "list": lambda site: _delete(site, "sequences"),
    "each line of the list": lambda site: _delete_fields(site, "sequences"),
    "one line of the list": lambda site: site.redis.hdel(site.keys.sequences, SKEW),
    "documents and list": lambda site: _delete(site, "config", "sequences"),
    "sequence": lambda site: _delete(site, "sequence"),
    "sequence and documents": lambda site: _delete(site, "sequence", "config"),
    "stream": lambda site: _delete(site, "changes"),
    "stream and documents": lambda site: _delete(site, "changes", "config"),
    "everything": _delete_all,
    "the last change": _set_back,
    "the last change and the list": _lose_and_set_back,
}


@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize(("state", "loss"), cells(LOSSES, EVERY_STATE))
async def test_stop__then_redis_loses_something__stays(
    site: Site, valkey: Valkey, running_client: RunningClient, state: str, loss: str, is_restarted: bool
) -> None:
    off, stopped = EVERY_STATE[state]
    async with running_client(valkey.url, ttl_seconds=0.2) as client:
        await _stop(site, client, off, stopped)
        if not is_restarted:
            await LOSSES[loss](site)
            await _looked_again(client)
            assert not trading(client) & stopped
    if is_restarted:
        await LOSSES[loss](site)
        async with running_client(valkey.url, ttl_seconds=0.2) as client:
            await _looked_again(client)
            assert not trading(client) & stopped
    async with running_client(NOWHERE) as client:
        assert not trading(client) & stopped


async def _stop(site: Site, client: ConfigClient, off: Callable[[str, str | None], bool], stopped: Stopped) -> None:
    await site.publish(documents(1))
    await eventually(lambda: trading(client) >= stopped)
    if off is HALTED["halted"][0]:
        await site.halt(HALT)
        await eventually(lambda: client.live.sequence == 2)
    else:
        await site.publish(documents(2, off))
    await eventually(lambda: not trading(client) & stopped)
    assert await client.save_snapshot()


async def _looked_again(client: ConfigClient) -> None:
    """Return when what was done to Redis before has been read since."""
    reloads = client.counters.reloads
    await eventually(lambda: client.counters.reloads >= reloads + 2 or not client.condition.is_populated)


def _replace_by(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _another_version(path: Path) -> None:
    header, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(header), "format": 2}).encode() + b"\n" + body)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


SNAPSHOTS: dict[str, Callable[[Path], None]] = {
    "lost": Path.unlink,
    "empty": _replace_by(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]) and None,
    "of another version": _another_version,
    "a pipe": _pipe,
    "a directory": _directory,
    "a device": _device,
}


@pytest.mark.parametrize(("state", "snapshot"), cells(SNAPSHOTS, EVERY_STATE))
async def test_stop__then_the_snapshot_is_gone__stays_by_redis(
    site: Site, valkey: Valkey, running_client: RunningClient, tmp_path: Path, state: str, snapshot: str
) -> None:
    off, stopped = EVERY_STATE[state]
    path = tmp_path / "snapshot.json"
    async with running_client(valkey.url, path=path) as client:
        await _stop(site, client, off, stopped)
    SNAPSHOTS[snapshot](path)
    async with running_client(valkey.url, path=path) as client:
        await eventually(lambda: client.live.sequence == 2)
        assert not trading(client) & stopped
        assert client.degraded is None


@pytest.mark.parametrize(
    ("state", "loss"), cells((name for name in LOSSES if not name.startswith("the last change")), EVERY_STATE)
)
async def test_stop__then_snapshot_and_part_of_redis_are_gone__does_not_trade_on_hold(
    site: Site, valkey: Valkey, running_client: RunningClient, tmp_path: Path, state: str, loss: str
) -> None:
    """What is left in Redis is obeyed, what must be there and is not does not trade: no guess is made.

    Not with a Redis that was set back: nothing left there knows of the stop, until the worker tells of it again.
    """
    off, stopped = EVERY_STATE[state]
    path = tmp_path / "snapshot.json"
    async with running_client(valkey.url, path=path) as client:
        await _stop(site, client, off, stopped)
    path.unlink()
    await LOSSES[loss](site)
    hold: Any = {"cold_start": "hold", "cold_start_seconds": 0.0}
    async with running_client(valkey.url, ttl_seconds=0.2, path=path, **hold) as client:
        await _looked_again(client)
        assert not trading(client) & stopped


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
async def test_start__that_knows_nothing__does_what_cold_start_says_and_says_so(
    running_client: RunningClient, tmp_path: Path, snapshot: str
) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"{}\n{}")
    SNAPSHOTS[snapshot](path)
    async with running_client(NOWHERE, path=path, cold_start="hold", cold_start_seconds=60.0) as client:
        assert (trading(client), client.condition.is_waiting) == (set(), True)
        assert "nothing is known" in (client.degraded or "")
        assert "Redis cannot be reached" in (client.degraded or "")
    async with running_client(NOWHERE, path=path, cold_start="hold", cold_start_seconds=0.0) as client:
        await eventually(lambda: not client.condition.is_waiting)
        assert trading(client) == set()
        assert "COLD_START=hold" in (client.degraded or "")
        assert set(client.live.held_back) == BY_DEFAULT
    async with running_client(NOWHERE, path=path, cold_start="defaults", cold_start_seconds=0.0) as client:
        await eventually(lambda: not client.condition.is_waiting)
        assert trading(client) == {(strategy_id, symbol) for strategy_id in BY_DEFAULT for symbol in (BTC, ETH)}
        assert "trading on environment and defaults" in (client.degraded or "")
        assert client.live.held_back == {}
    if path.is_dir():
        shutil.rmtree(path)


async def test_start__with_a_snapshot_that_lacks_strategies__does_not_trade_those(
    site: Site, valkey: Valkey, running_client: RunningClient, tmp_path: Path, redis_prefix: str
) -> None:
    """As a version wrote it that took a loss in Redis for the truth; and with one document that no longer fits."""
    path = tmp_path / "snapshot.json"
    published = documents(1)
    kept = {SKEW: published[SKEW], "ticker_velocity": SPOILED["out of range"](published["ticker_velocity"])}
    saved = snapshot_module.Snapshot(redis_prefix, 1, "2026-01-01T00:00:00.000+00:00", kept)
    snapshot_module.write(path, saved)
    async with running_client(NOWHERE, path=path) as client:
        assert trading(client) == {(SKEW, BTC), (SKEW, ETH)}
        assert "not trading" in (client.degraded or "")
        assert set(client.live.held_back) == set(STRATEGIES) - {SKEW}
    await site.publish(published)
    async with running_client(valkey.url, path=path) as client:
        assert trading(client) == {(strategy_id, symbol) for strategy_id in STRATEGIES for symbol in (BTC, ETH)}
        assert client.degraded is None


async def test_start__that_knows_nothing__trades_as_soon_as_redis_tells(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    off, stopped = STATES["strategy off"]
    async with running_client(valkey.url, cold_start="hold", cold_start_seconds=60.0) as client:
        assert "nothing is published in Redis" in (client.degraded or "")
        assert trading(client) == set()
        await site.rewrite(documents(1, off))
        await eventually(lambda: trading(client))
        assert not trading(client) & stopped
        assert client.degraded is None


@pytest.mark.parametrize(
    "spoiled",
    [
        name
        for name in SPOILED
        if name not in {"unknown parameter", "members of a newer site", "parameter of an older site missing"}
    ],
)
@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
async def test_strategy__switched_on_by_a_document_that_cannot_be_taken__stays_off(
    site: Site, valkey: Valkey, running_client: RunningClient, spoiled: str, is_restarted: bool
) -> None:
    off, stopped = STATES["strategy off"]
    async with running_client(valkey.url) as client:
        await _stop(site, client, off, stopped)
        on = documents(3)
        await site.publish(
            {**on, SKEW: SPOILED[spoiled](on[SKEW]), f"{SKEW}:{BTC}": SPOILED[spoiled](on[f"{SKEW}:{BTC}"])}
        )
        await eventually(lambda: client.live.sequence == 3)
        assert not trading(client) & stopped
        assert {each.field for each in client.live.refused} == {SKEW, f"{SKEW}:{BTC}"}
    if is_restarted:
        async with running_client(valkey.url) as client:
            await eventually(lambda: client.live.sequence == 3)
            assert not trading(client) & stopped


@pytest.mark.parametrize("field", [SKEW, f"{SKEW}:{BTC}"])
async def test_layer__refused_without_a_good_one_before__does_not_trade_and_the_others_do(
    site: Site, valkey: Valkey, running_client: RunningClient, field: str
) -> None:
    published = documents(1)
    await site.publish({**published, field: SPOILED["out of range"](published[field])})
    async with running_client(valkey.url) as client:
        everything = {(strategy_id, symbol) for strategy_id in STRATEGIES for symbol in (BTC, ETH)}
        # The symbol's own document is whole, and says that the strategy's switch is on.
        idle = {(SKEW, ETH)} if field == SKEW else {(SKEW, BTC)}
        assert trading(client) == everything - idle
        assert set(client.live.held_back) == {field}
        assert "not trading" in (client.degraded or "")
        [ack] = await eventually(site.acks)
        assert (ack.status, ack.field) == ("rejected", field)
