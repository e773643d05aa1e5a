"""A site and a runtime of either format of documents understand each other during a rolling upgrade.

`documents_format_1.jsonl` was written by the last version before format 2; the structs are what that version read.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from django.conf import settings

from realtime_runtime.config.documents import Catalogue
from strategy_config.publication import document_format, publisher
from strategy_config.services import layers
from strategy_config.tasks import periodic
from strategy_core.configuration import runtime_reports, wire_documents, wire_json
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.wire_documents import Format
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON, OriginFactory
from tests.strategy_config.conftest import CacheUnderTest, cache  # noqa: F401  (a fixture)

SKEW, BTC = "orderbook_skew", "BTCUSDT"
RECORDED = (Path(__file__).parent / "documents_format_1.jsonl").read_bytes().splitlines()
FIELDS = (SKEW, f"{SKEW}:{BTC}")
CATALOGUE = Catalogue(STRATEGIES, {key: read_environment(each, {}) for key, each in STRATEGIES.items()})


class OldLayer(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime before format 2 read of a layer."""

    strategy_id: str
    symbol: str | None
    enabled: bool
    parameters: dict[str, Any]
    version: int
    sequence: int


class OldDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime before format 2 read of a document."""

    config: OldLayer
    global_version: int
    symbol_version: int
    expires_at_ms: int | None = None
    after: OldLayer | None = None
    format: Literal[1] = 1


class OldSiteLayer(OldLayer, frozen=True, kw_only=True):
    """What a site before format 2 read of a layer, beside that."""

    source: str
    is_override: bool
    sources: dict[str, str]
    overrides: dict[str, Any]
    updated_by: str | None


class OldSiteDocument(OldDocument, frozen=True, kw_only=True):
    config: OldSiteLayer
    after: OldSiteLayer | None = None


def heartbeat(instance_id: str, *formats: int) -> runtime_reports.Heartbeat:
    return runtime_reports.Heartbeat(
        instance_id=instance_id,
        host="host",
        version="0",
        started_at=NOON.isoformat(),
        sent_at=NOON.isoformat(),
        sequence=0,
        lag_ms=0.0,
        messages_per_second=0.0,
        symbols=[],
        strategies=[],
        errors=0,
        dropped=0,
        signals=0,
        config_stale_seconds=0.0,
        market_source="",
        replica="0/1",
        formats=formats,
    )


@pytest.mark.parametrize(("field", "raw"), list(zip(FIELDS, RECORDED, strict=True)))
def test_document_of_an_old_site__is_traded_on_by_the_runtime(field: str, raw: bytes) -> None:
    old = msgspec.json.decode(raw, type=OldDocument)
    layer = CATALOGUE.accept(field, raw)

    assert (layer.problem, layer.left_out, layer.sequence) == (None, (), old.config.sequence)
    assert (layer.now.enabled, layer.now.parameters.model_dump()) == (old.config.enabled, old.config.parameters)
    assert (layer.after is None) == (old.after is None)


@pytest.mark.parametrize("raw", RECORDED)
def test_document_of_an_old_site__is_read_by_the_site_and_written_as_it_was(raw: bytes) -> None:
    document = wire_documents.decode_document(raw)

    assert document.config.own == msgspec.json.decode(raw, type=OldSiteDocument).config.overrides
    assert msgspec.json.decode(wire_documents.encode_document(document, 1)) == msgspec.json.decode(raw)


@pytest.mark.parametrize(("field", "raw"), list(zip(FIELDS, RECORDED, strict=True)))
def test_document_of_format_2__is_traded_on_as_one_of_format_1(field: str, raw: bytes) -> None:
    new = wire_documents.encode_document(wire_documents.decode_document(raw), 2)
    ours, theirs = CATALOGUE.accept(field, new), CATALOGUE.accept(field, raw)

    assert (ours.now, ours.after, ours.expires_at_ms) == (theirs.now, theirs.after, theirs.expires_at_ms)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(new, type=OldDocument)


@pytest.mark.parametrize(
    ("live", "otherwise", "expected"),
    [
        ([], 1, 1),
        ([], 2, 2),
        ([(1,)], 2, 1),
        ([(1, 2)], 1, 2),
        ([(1, 2), (1,)], 2, 1),
        ([(1, 2, 3), (1, 2)], 1, 2),
        ([(3,)], 2, 1),
    ],
)
def test_format__with_these_runtimes_alive__is_the_newest_that_all_read(
    live: list[tuple[int, ...]], otherwise: Format, expected: Format
) -> None:
    beats = [heartbeat(str(number), *formats) for number, formats in enumerate(live)]

    assert document_format.newest_for(beats, otherwise) == expected


@pytest.fixture
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_format, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(publisher, "document_format", document_format.DocumentFormat())


@pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
@pytest.mark.usefixtures("looks_each_time")
def test_site__while_runtimes_are_upgraded_and_rolled_back__writes_what_all_of_them_read(
    cache: CacheUnderTest,  # noqa: F811  (a fixture)
) -> None:
    def set_levels(levels: int) -> None:
        layers.set_layer(strategy_id=SKEW, symbol=BTC, parameters={"top_levels": levels}, origin=OriginFactory())

    def says(instance_id: str, *formats: int) -> None:
        beat = wire_json.encode(heartbeat(instance_id, *formats))
        # A version before formats says nothing of them.
        cache.client.set(cache.keys.runtime(instance_id), beat.replace(b'"formats":[1]', b'"x":1'))

    def written() -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(cache.client.hget(cache.keys.config, FIELDS[1]))
        return found

    set_levels(7)
    assert (written()["format"], written()["config"]["overrides"]) == (1, {"top_levels": 7})
    says("old", 1)
    says("new", 1, 2)
    set_levels(8)
    raw = cache.client.hget(cache.keys.config, FIELDS[1])
    assert msgspec.json.decode(raw, type=OldSiteDocument).config.overrides == {"top_levels": 8}

    cache.client.delete(cache.keys.runtime("old"))
    set_levels(9)
    assert (written()["format"], written()["config"]["own"]) == (2, {"top_levels": 9})
    assert cache.document(FIELDS[1]).config.own == {"top_levels": 9}

    assert periodic.reconcile() == "done"
    assert {raw["format"] for raw in map(msgspec.json.decode, cache.client.hvals(cache.keys.config))} == {2}

    says("old", 1)
    assert periodic.reconcile() == "done"
    found = cache.client.hgetall(cache.keys.config)
    assert {msgspec.json.decode(raw, type=OldSiteDocument).format for raw in found.values()} == {1}
    assert publisher.rewrite_all(is_forced=False).repaired == ()
