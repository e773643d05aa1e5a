"""Every payload reads back what was written, with every optional member set and with none."""

import types
import typing
from typing import Any

import msgspec
import pytest

from strategy_core.configuration import change_stream, runtime_reports, wire_documents, wire_json

MODULES = (change_stream, wire_documents, runtime_reports)
KINDS = [
    kind
    for module in MODULES
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and not name.startswith("_")
]
DECODERS = {
    change_stream.Change: change_stream.decode_change,
    change_stream.SetContent: change_stream.decode_set,
    runtime_reports.Ack: runtime_reports.decode_ack,
    runtime_reports.Heartbeat: runtime_reports.decode_heartbeat,
}
SAMPLES: dict[Any, Any] = {
    str: "text",
    int: 7,
    float: 1.5,
    bool: True,
    Any: "any",
    msgspec.Raw: msgspec.Raw(b'{"a":1}'),
    bytes: b"bytes",
}


def sample(hint: Any) -> Any:
    """A value of the annotation that is neither None nor empty."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return sample(next(each for each in arguments if each is not type(None)))
    if origin is typing.Literal:
        return arguments[0]
    if origin is dict:
        return {sample(arguments[0]): sample(arguments[1])}
    if origin is tuple:
        return (sample(arguments[0]),)
    if origin is list:
        return [sample(arguments[0])]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return made(hint, is_full=True)
    return SAMPLES[hint]


def made(kind: type[msgspec.Struct], *, is_full: bool) -> Any:
    hints = typing.get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: sample(hints[field.name]) for field in fields if is_full or field.required})


@pytest.mark.parametrize("is_full", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_payload__written__reads_back(kind: type[msgspec.Struct], is_full: bool) -> None:
    written = made(kind, is_full=is_full)
    encoded = wire_json.encode(written)
    assert wire_json.encode(msgspec.json.decode(encoded, type=kind)) == encoded


@pytest.mark.parametrize("kind", DECODERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("is_full", [True, False])
def test_decoder__of_each_kind__takes_every_member(kind: type[msgspec.Struct], is_full: bool) -> None:
    encoded = wire_json.encode(made(kind, is_full=is_full))
    assert wire_json.encode(DECODERS[kind](encoded)) == encoded


@pytest.mark.parametrize("is_full", [True, False])
@pytest.mark.parametrize("document_format", wire_documents.FORMATS)
def test_document__of_either_format__reads_back(document_format: wire_documents.Format, is_full: bool) -> None:
    document = made(wire_documents.Document, is_full=is_full)
    encoded = wire_documents.encode_document(document, document_format)
    assert wire_documents.stored_document(encoded) == document
    assert wire_documents.decode_document(encoded) == document.uncovered()
    assert msgspec.json.decode(encoded)["format"] == document_format


@pytest.mark.parametrize(("document_format", "name"), [(1, "overrides"), (2, "own")])
def test_document__of_a_format__names_the_values_that_a_layer_sets(
    document_format: wire_documents.Format, name: str
) -> None:
    document = made(wire_documents.Document, is_full=True)
    content = msgspec.json.decode(wire_documents.encode_document(document, document_format))
    assert [{"overrides", "own"} & content[each].keys() for each in ("config", "after")] == [{name}, {name}]


@pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"format":3,"config":{}}', b'{"format":"1"}', b"\xff"])
def test_document__of_another_format_or_none__is_refused(raw: bytes) -> None:
    with pytest.raises(wire_json.WireError, match="not a Document"):
        wire_documents.decode_document(raw)
