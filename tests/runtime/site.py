"""What the site does to Redis, in a few lines: documents as the core encodes them, written by PUBLISH_SCRIPT."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from redis.asyncio import Redis

from strategy_core.configuration import (
    change_stream,
    publish_script,
    redis_keys,
    runtime_reports,
    wire_documents,
    wire_json,
)
from strategy_core.configuration.halts import Halt
from strategy_core.configuration.layers import resolve
from strategy_core.configuration.parameter_values import as_json
from strategy_core.strategies.registry import STRATEGIES

NONE: Mapping[str, Any] = MappingProxyType({})


def layer_config(
    strategy_id: str,
    symbol: str | None = None,
    *,
    version: int = 1,
    sequence: int = 1,
    enabled: bool = True,
    **own: Any,
) -> wire_documents.LayerConfig:
    """A layer whose own parameters are ``own``, resolved over the defaults; any other field as a site would say it."""
    return wire_documents.LayerConfig(
        strategy_id=strategy_id,
        symbol=symbol,
        enabled=enabled,
        parameters=as_json(resolve(STRATEGIES[strategy_id], global_values=own).parameters),
        version=version,
        source="sqlite",
        is_override=symbol is not None,
        sources={},
        own=own,
        created_at=None,
        updated_at=None,
        updated_by="tests",
        reason=None,
        expires_at=None,
        sequence=sequence,
    )


def document(config: wire_documents.LayerConfig, **members: Any) -> bytes:
    """The document of a layer, as the site writes it."""
    versions = {
        "global_version": config.version if config.symbol is None else 0,
        "symbol_version": config.version if config.symbol is not None else 0,
    }
    return wire_documents.encode_document(wire_documents.Document(config=config, **{**versions, **members}), 1)


def poison(config: wire_documents.LayerConfig, **parameters: Any) -> bytes:
    """The document of a layer with parameters that no site would write."""
    return document(msgspec.structs.replace(config, parameters={**config.parameters, **parameters}))


class Site:
    """Publishes changes under one prefix and reads what runtimes say."""

    def __init__(self, url: str, prefix: str) -> None:
        self.redis = Redis.from_url(url)
        self.keys = redis_keys.Keys(prefix)
        self.sequence = 0

    async def publish(
        self, documents: dict[str, bytes | None], *, is_embedded: bool = True, sequence: int | None = None
    ) -> int:
        """One change with these documents; returns its sequence."""
        self.sequence = self.sequence + 1 if sequence is None else sequence
        change = change_stream.Change(
            sequence=self.sequence,
            kind="change",
            documents={f: msgspec.Raw(raw) for f, raw in documents.items() if is_embedded and raw is not None},
            fields=[f for f, raw in documents.items() if not is_embedded or raw is None],
            published_at_ms=time.time() * 1000,
        )
        await self._run(-1, documents, f"{self.sequence}-0", wire_json.encode(change))
        return self.sequence

    async def publish_entry(self, documents: Mapping[str, bytes], change: change_stream.Change) -> None:
        """Write documents and an entry of the test's own; its sequence is the last one then."""
        self.sequence = change.sequence
        await self._run(-1, dict(documents), f"{change.sequence}-0", wire_json.encode(change))

    async def set_layer(self, strategy_id: str, symbol: str | None = None, **own: Any) -> int:
        """One change of one layer; its version is the change's sequence."""
        number = self.sequence + 1
        config = layer_config(strategy_id, symbol, version=number, sequence=number, **own)
        return await self.publish({redis_keys.field_name(strategy_id, symbol): document(config)})

    async def rewrite(self, documents: dict[str, bytes | None]) -> None:
        """Write everything anew with a reload notice, under the last sequence."""
        notice = change_stream.Change(sequence=self.sequence, kind="reload", published_at_ms=time.time() * 1000)
        await self._run(-2, documents, f"{self.sequence}-*", wire_json.encode(notice))

    async def acks(self) -> list[runtime_reports.Ack]:
        """All acknowledgements so far."""
        return [runtime_reports.decode_ack(fields[b"p"]) for _, fields in await self.redis.xrange(self.keys.acks)]

    async def close(self) -> None:
        await self.redis.aclose()

    async def halt(self, *halts: Halt) -> int:
        """Halt, as one change; returns its sequence."""
        self.sequence += 1
        records = [msgspec.Raw(wire_json.encode(halt)) for halt in halts]
        change = change_stream.Change(sequence=self.sequence, kind="halt", action="HALT", halts=records)
        await self._run(
            -1,
            {},
            f"{self.sequence}-0",
            wire_json.encode(change),
            halts={halt.id: wire_json.encode(halt) for halt in halts},
        )
        return self.sequence

    async def halt_by_record(self, halt_id: str, record: bytes) -> None:
        """Halt by a record that is not what a site writes."""
        self.sequence += 1
        change = change_stream.Change(sequence=self.sequence, kind="halt", action="HALT", halts=[msgspec.Raw(record)])
        await self._run(-1, {}, f"{self.sequence}-0", wire_json.encode(change), halts={halt_id: record})

    async def resume(self, *ids: str) -> int:
        """End halts, as one change; returns its sequence."""
        self.sequence += 1
        change = change_stream.Change(sequence=self.sequence, kind="resume", action="RESUME", ids=list(ids))
        when = dict.fromkeys(ids, "2026-01-01T00:00:00.000+00:00")
        await self._run(-1, {}, f"{self.sequence}-0", wire_json.encode(change), resumed=when)
        return self.sequence

    async def _run(
        self,
        expected: int,
        documents: dict[str, bytes | None],
        entry: str,
        payload: bytes,
        *,
        halts: Mapping[str, bytes] = NONE,
        resumed: Mapping[str, str] = NONE,
    ) -> None:
        keys = publish_script.publish_keys(self.keys, with_halts=bool(halts or resumed))
        layers: list[Any] = []
        for field, raw in documents.items():
            layers += [field, self.sequence, raw or b""]
        arguments = [expected, redis_keys.CHANGES_CAP, 1, len(documents), *layers, *_counted(halts), *_counted(resumed)]
        arguments += [entry, payload]
        assert await self.redis.eval(publish_script.PUBLISH_SCRIPT, len(keys), *keys, *arguments) == [1, self.sequence]


def _counted(pairs: Mapping[str, Any]) -> list[Any]:
    """How many, then each name and what belongs to it."""
    return [len(pairs), *(word for pair in pairs.items() for word in pair)]
