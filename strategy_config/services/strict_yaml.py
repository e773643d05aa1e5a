"""YAML as its version 1.2 reads it (core schema), without what files of ours never hold: each of these is refused.

Numbers are decimal (``010`` is ten), ``0o10`` or ``0x1f``; ``1e-3`` is one too. ``1:30``, ``1_500``, ``yes`` and dates
are texts. No aliases, which can multiply, no tags, no ``<<``, no name twice in one place. Bounded before anything is
built: size, depth, entries, digits of a number.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

LONGEST_BYTES = 900 * 1024
DEEPEST = 12
MOST_ENTRIES = 200_000
LONGEST_NUMBER = 64
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"


class StrictYamlError(ValueError):
    """The text is not such YAML; the message says where and why."""


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars by the core schema, and refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused("a name must be a text", key_node.start_mark)
            if key_node.value in seen:
                raise _refused(f"{key_node.value[:64]!r} stands here twice", key_node.start_mark)
            seen.add(key_node.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


class _Dumper(yaml.CSafeDumper):
    """Quotes what a reader of either version would take for something else than a text."""


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    text: str = node.value
    if len(text) > LONGEST_NUMBER:
        raise _refused(f"a number of {len(text)} characters; at most {LONGEST_NUMBER}", node.start_mark)
    if node.tag == f"{_TAG}float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return int(text[2:], 8 if text[1] == "o" else 16) if text[:2] in {"0o", "0x"} else int(text)


# Those of YAML 1.1 are left behind: base 60, underscores, octal by a leading zero, "yes", dates, "<<".
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", _whole, _first)
    _Dumper.add_implicit_resolver(f"{_TAG}{_name}", _whole, _first)
_Loader.add_constructor(f"{_TAG}int", _number)
_Loader.add_constructor(f"{_TAG}float", _number)


def load(content: bytes) -> Any:
    """What the text holds, in mappings, lists, texts, numbers, booleans and None; raises StrictYamlError."""
    if len(content) > LONGEST_BYTES:
        raise StrictYamlError(f"more than {LONGEST_BYTES // 1024} KiB.")
    try:
        text = content.decode("utf-8-sig")
        _refuse_traps(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except UnicodeDecodeError:
        raise StrictYamlError("not text in UTF-8.") from None
    except (yaml.YAMLError, ValueError, OverflowError) as exception:
        raise StrictYamlError(_told(exception)) from None


def dump(document: Any) -> str:
    """The text that says this, names in their order."""
    found: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return found


def _refuse_traps(text: str) -> None:
    depth = 0
    for count, event in enumerate(_events(text)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _refused("tags are not allowed", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _refused(f"more than {DEEPEST} levels deep", event.start_mark)
        if count > MOST_ENTRIES:
            raise _refused(f"more than {MOST_ENTRIES:,} entries", event.start_mark)


def _events(text: str) -> Iterator[yaml.Event]:
    found: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
    return found


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _told(exception: Exception) -> str:
    if isinstance(exception, yaml.MarkedYAMLError) and exception.problem_mark is not None:
        mark = exception.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {exception.problem}."
    return f"{str(exception).splitlines()[0][:200]}."
