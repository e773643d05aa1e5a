"""Every payload reads back what was written, with every optional member set and with none."""

import types
import typing
from typing import Any

import msgspec
import pytest

from strategy_core.configuration import wire

KINDS = [kind for kind in vars(wire).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
KINDS.remove(wire.DocumentBytes)  # it only reads what a Document writes
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
    encoded = wire.encode(written)
    assert wire.encode(msgspec.json.decode(encoded, type=kind)) == encoded


@pytest.mark.parametrize("kind", [kind for kind in wire._decoders if kind in KINDS], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("is_full", [True, False])
def test_decoder__of_each_kind__takes_every_member(kind: type[msgspec.Struct], is_full: bool) -> None:
    encoded = wire.encode(made(kind, is_full=is_full))
    assert wire.encode(wire._decoders[kind].decode(encoded)) == encoded


@pytest.mark.parametrize("is_full", [True, False])
def test_document_bytes__of_a_document__are_its_configs(is_full: bool) -> None:
    document = made(wire.Document, is_full=is_full)
    stored = wire.decode_document_bytes(wire.encode(document))
    assert msgspec.json.decode(stored.config, type=wire.LayerConfig) == document.config
    assert msgspec.json.decode(stored.after or b"null", type=wire.LayerConfig | None) == document.after
