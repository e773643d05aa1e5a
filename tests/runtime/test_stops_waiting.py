"""A signal that was decided before a stop does not leave after it, wherever it waits meanwhile."""

import time
from pathlib import Path
from uuid import uuid4

import pytest

from embedded.servers import NatsServer, Valkey
from realtime_runtime import settings
from realtime_runtime.assembly import Runtime, assemble
from realtime_runtime.config.state import Update
from realtime_runtime.messaging.intake import Message
from realtime_runtime.messaging.outgoing import Emission, OutgoingSignal
from strategy_core.configuration.halts import Halt, Scope
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.market import START_MS, depth, is_listening
from tests.runtime.site import Site, document, layer_config
from tests.waiting import eventually

SKEW = "orderbook_skew"


async def test_switch_off__while_signals_wait_for_nats__they_do_not_leave_even_once_it_is_on_again(
    environ: Environ, valkey: Valkey, fresh_nats: NatsServer, site: Site, running_app: RunningApp
) -> None:
    variables = environ | {"REDIS_URL": valkey.url, "NATS_URL": fresh_nats.url}
    await site.set_layer(SKEW, "BTCUSDT")
    async with running_app(variables) as app:
        await is_listening(app)
        bus, subject = app.runtime.bus, variables["NATS_TOPIC_INTENTS"]
        fresh_nats.kill()
        await eventually(lambda: not bus.is_connected)
        for number, symbol in enumerate(["BTCUSDT", "ETHUSDT", "BTCUSDT"]):
            bus.send(OutgoingSignal(subject, f"{number}", b"{}", time.monotonic(), strategy_id=SKEW, symbol=symbol))
        await site.set_layer(SKEW, "BTCUSDT", enabled=False)
        sequence = await site.set_layer(SKEW, "BTCUSDT")
        await eventually(lambda: app.runtime.config.live.sequence == sequence)
        fresh_nats.start()
        await eventually(lambda: bus.signals_sent == 1)
        assert (bus.signals_halted, bus.outbox_size) == (2, 0)


async def undecided(environ: Environ, tmp_path: Path) -> Runtime:
    """A runtime that does not know yet who trades its share, and keeps one signal."""
    runtime = assemble(settings.read(environ | {"HALTS_PATH": str(tmp_path / "halts.json")}))
    books = [depth("BTCUSDT", bid_quantity=size, time_ms=START_MS + 1_000 * size) for size in (1, 9)]
    runtime.intake.put([Message(None, book, time.time_ns() // 1_000_000, True, None, "") for book in books])
    await runtime.consumer.finish()
    assert runtime.bus.outbox_size == 0
    return runtime


async def by_a_halt(runtime: Runtime) -> None:
    halt = Halt(id=str(uuid4()), scope=Scope(strategy_id=SKEW))
    await runtime.halting.take([halt])
    await runtime.halting.take([], [halt.id])


async def by_a_switch(runtime: Runtime) -> None:
    for sequence, is_on in ((1, False), (2, True)):
        update = Update()
        raw = document(layer_config(SKEW, sequence=sequence, version=sequence, enabled=is_on))
        runtime.config.live.check(SKEW, raw, update)
        runtime.config.live.merge(update, sequence=sequence, now_ms=0)


@pytest.mark.parametrize("stop", [by_a_halt, by_a_switch])
async def test_stop__while_it_is_undecided_who_trades__kept_signals_are_dropped_and_counted(
    environ: Environ, tmp_path: Path, stop: object
) -> None:
    runtime = await undecided(environ, tmp_path)
    assert callable(stop)
    await stop(runtime)
    runtime.consumer.set_emission(Emission.OPEN)
    assert (runtime.bus.outbox_size, runtime.bus.signals_halted) == (0, 1)


async def test_kept_signals__are_as_old_as_their_decision(
    environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await undecided(environ, tmp_path)
    decided_by = time.monotonic()
    monkeypatch.setattr("realtime_runtime.consumer.time.monotonic", lambda: decided_by + 3_600)
    sent: list[OutgoingSignal] = []
    monkeypatch.setattr(runtime.bus, "send", sent.append)
    runtime.consumer.set_emission(Emission.OPEN)
    assert [signal.decided_at <= decided_by for signal in sent] == [True]
