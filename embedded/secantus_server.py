"""The process behind `embedded.mongo.MongoWireServer`: SecantusDB with one correction, for tests only.

The only file that imports SecantusDB, which is GPL-licensed: nothing imports this file, it is run as a process.

The correction is a shim over two stage handlers of SecantusDB 0.7.0b3 (the version that requirements-dev.in pins).
A real mongod reads a nested document in ``$project`` and ``$addFields`` as paths below its key. SecantusDB evaluates
it as an expression: ``{"$project": {"a": {"b": 1}}}`` gives the literal 1, and ``{"$addFields": {"a": {"b": "$c"}}}``
replaces ``a`` instead of merging into it. Django's joins use both. The shim writes such documents as the dotted paths
that they mean (``{"a.b": 1}``), which SecantusDB handles as mongod does. Remove it when a release corrects this.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from secantus import aggregate  # type: ignore[import-untyped]  # ships no types
from secantus.cli import main  # type: ignore[import-untyped]  # ships no types

CORRECTED_STAGES = ("$project", "$addFields")

StageHandler = Callable[[Any, list[dict[str, Any]], Any], list[dict[str, Any]]]


def dotted_paths(specification: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a stage's (path, expression) pairs. A document of operators, ``{"$cond": ...}``, is an expression."""
    for name, value in specification.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value and not any(key.startswith("$") for key in value):
            yield from dotted_paths(value, f"{path}.")
        else:
            yield path, value


def corrected(handler: StageHandler) -> StageHandler:
    def handle(specification: Any, documents: list[dict[str, Any]], context: Any) -> list[dict[str, Any]]:
        if isinstance(specification, Mapping):
            specification = dict(dotted_paths(specification))
        return handler(specification, documents, context)

    return handle


if __name__ == "__main__":
    for stage in CORRECTED_STAGES:
        aggregate._STAGES[stage] = corrected(aggregate._STAGES[stage])
    raise SystemExit(main())
