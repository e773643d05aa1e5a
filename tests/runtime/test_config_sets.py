"""Changes of one transaction are swapped in between two messages, each is answered, and nothing of it is read late."""

import time
from typing import Any

import msgspec
import pytest

from embedded.servers import Valkey
from realtime_runtime.config.client import ConfigClient
from strategy_core.configuration import change_stream, wire_json
from tests.runtime.conftest import RunningClient
from tests.runtime.site import Site, document, layer_config, poison
from tests.waiting import eventually

SKEW, VELOCITY = "orderbook_skew", "ticker_velocity"
SYMBOLS = [f"S{number:03}USDT" for number in range(40)]


def _documents(sequence: int, threshold: float) -> dict[str, bytes]:
    layers = {
        f"{SKEW}:{symbol}": layer_config(SKEW, symbol, sequence=sequence, buy_threshold=threshold) for symbol in SYMBOLS
    }
    layers[VELOCITY] = layer_config(VELOCITY, sequence=sequence, time_window=int(threshold * 60))
    return {field: document(config) for field, config in layers.items()}


def _members(first: int) -> list[change_stream.SetMember]:
    return [
        change_stream.SetMember(
            sequence=first + at,
            strategy_id=VELOCITY if symbol is None else SKEW,
            symbol=symbol,
            action="UPDATE",
            version=1,
        )
        for at, symbol in enumerate([*SYMBOLS, None])
    ]


async def _publish_set(
    site: Site, documents: dict[str, bytes], *, is_apart: bool, damage: bytes | None = None
) -> tuple[int, int]:
    """Publish a set; ``damage`` stands in place of its content. Answers its first and last sequence."""
    first = site.sequence + 1
    members = _members(first)
    content = change_stream.SetContent(
        members=members, documents={field: msgspec.Raw(raw) for field, raw in documents.items()}
    )
    if is_apart and damage != b"":
        await site.redis.set(site.keys.change_set(members[-1].sequence), damage or wire_json.encode(content))
    change = change_stream.Change(
        sequence=members[-1].sequence,
        kind="change",
        first_sequence=first,
        content=None if is_apart else content,
        published_at_ms=time.time() * 1000,
    )
    await site.publish_entry(documents, change)
    return first, site.sequence


def _thresholds(client: ConfigClient) -> set[float]:
    found: list[Any] = [client.live.active.lookup(SKEW, symbol).parameters for symbol in SYMBOLS]
    return {each.buy_threshold for each in found}


def _window(client: ConfigClient) -> int:
    parameters: Any = client.live.active.lookup(VELOCITY, None).parameters
    return int(parameters.time_window)


@pytest.mark.parametrize("is_apart", [False, True], ids=["in the entry", "apart"])
async def test_set__of_many_layers__in_one_swap_and_each_change_acknowledged(
    site: Site, valkey: Valkey, running_client: RunningClient, is_apart: bool
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW)
        await eventually(lambda: client.live.sequence == 1)
        generation, reloads = client.live.active.generation, client.counters.reloads
        first, last = await _publish_set(site, _documents(2, 2.0), is_apart=is_apart)
        await eventually(lambda: client.live.sequence == last)
        assert (client.live.active.generation, client.counters.reloads) == (generation + 1, reloads)
        assert (_thresholds(client), _window(client)) == ({2.0}, 120)

        async def answered() -> bool:
            acks = [ack for ack in await site.acks() if ack.sequence >= first]
            return [(ack.sequence, ack.status) for ack in acks] == [
                (each, "applied") for each in range(first, last + 1)
            ]

        await eventually(answered)


async def test_set__with_a_refused_document__blamed_on_the_change_that_made_it(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW)
        await eventually(lambda: client.live.sequence == 1)
        documents = _documents(2, 2.0)
        field = f"{SKEW}:{SYMBOLS[7]}"
        documents[field] = poison(layer_config(SKEW, SYMBOLS[7], sequence=9), buy_threshold=99.0)
        first, last = await _publish_set(site, documents, is_apart=False)
        await eventually(lambda: client.live.sequence == last)

        async def rejected() -> list[tuple[int, str | None]]:
            acks = await site.acks()
            return [(ack.sequence, ack.field) for ack in acks if ack.status == "rejected"] if len(acks) >= last else []

        assert await eventually(rejected) == [(first + 7, field)]
        assert [each.field for each in client.live.refused] == [field]
        assert not client.live.active.lookup(SKEW, SYMBOLS[7]).enabled


@pytest.mark.parametrize("damage", [b"", b"rubbish"], ids=["lost", "damaged"])
async def test_set__whose_content_is_not_there__read_completely(
    site: Site, valkey: Valkey, running_client: RunningClient, damage: bytes
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW)
        await eventually(lambda: client.live.sequence == 1)
        await _publish_set(site, _documents(2, 2.0), is_apart=True, damage=damage)
        await eventually(lambda: client.live.sequence == site.sequence)
        assert (_thresholds(client), _window(client)) == ({2.0}, 120)


async def test_set__of_which_a_part_is_known__read_completely(
    site: Site, valkey: Valkey, running_client: RunningClient
) -> None:
    async with running_client(valkey.url) as client:
        await site.set_layer(SKEW)
        await site.set_layer(SKEW)
        await eventually(lambda: client.live.sequence == 2)
        site.sequence = 1
        await _publish_set(site, _documents(3, 2.0), is_apart=False)
        await eventually(lambda: client.live.sequence == site.sequence)
        assert (_thresholds(client), client.counters.gaps) == ({2.0}, 1)
