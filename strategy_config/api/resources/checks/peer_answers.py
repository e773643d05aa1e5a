"""What other services answer to a check of a change, in each of the shapes that they have, as objections of ours.

All of them answer {success, data: {validation_passed, errors, conflicts}, error: {code, message, details}}, with
members left out as they like. They know their own strategies and parameters only: that ours are foreign to them is no
objection.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from strategy_core.market.decoding import UNREADABLE

MAX_TEXT = 500

OURSELVES = "realtime-strategies"

_FOREIGN_CODES = frozenset({"UNKNOWN_PARAMETER", "UNKNOWN_STRATEGY", "STRATEGY_NOT_FOUND", "NOT_FOUND"})

_FOREIGN_WORDS = re.compile(r"unknown (strategy|parameter)|(strategy|parameter)\b.{0,80}\bnot (found|known)", re.I)

# Of an answer that says "not found" without the envelope nobody knows whether it is the strategy or the path.
_STATUSES_WITH_A_SAY = frozenset({200, 400, 404, 409, 422})


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """One objection of one service."""

    service: str
    conflict_type: str
    description: str
    resolution: str


class NotUnderstoodError(ValueError):
    """The answer says nothing about the change; the text says why, never in the service's own words."""


class _Error(msgspec.Struct):
    message: str = ""
    code: str = "VALIDATION_ERROR"
    field: str | None = None
    suggested_value: Any = None


class _Conflict(msgspec.Struct):
    service: str = ""
    conflict_type: str = "CONFLICT"
    description: str = ""
    resolution: str = ""


class _Report(msgspec.Struct):
    errors: list[_Error | str] = []
    conflicts: list[_Conflict | str] = []


class _Details(msgspec.Struct):
    errors: list[_Error | str] = []


class _Refusal(msgspec.Struct):
    code: str = "VALIDATION_ERROR"
    message: str = ""
    details: _Details | str | None = None


class _Answer(msgspec.Struct):
    data: _Report | None = None
    error: _Refusal | str | None = None


_decoder = msgspec.json.Decoder(_Answer)


def objections(service: str, status: int, answer: bytes) -> list[Objection]:
    """What the service holds against the change; raises NotUnderstoodError."""
    try:
        found = _decoder.decode(answer) if status in _STATUSES_WITH_A_SAY else None
    except UNREADABLE:
        found = None
    if found is None:
        raise NotUnderstoodError(_unknown(status))
    if found.data is not None:
        return [*_of_errors(service, found.data.errors), *_of_conflicts(service, found.data.conflicts)]
    refusal = _Refusal(message=found.error) if isinstance(found.error, str) else found.error
    if refusal is None:
        raise NotUnderstoodError(_unknown(status))
    if _is_foreign(refusal.code, refusal.message):
        return []
    if isinstance(refusal.details, _Details) and refusal.details.errors:
        return _of_errors(service, refusal.details.errors)
    if refusal.code != "VALIDATION_ERROR":
        raise NotUnderstoodError("it refused the check")
    return _of_errors(service, [_Error(refusal.message)])


def _unknown(status: int) -> str:
    return "its answer could not be parsed" if status == 200 else f"it answered {status}"


def _of_errors(service: str, errors: Iterable[_Error | str]) -> list[Objection]:
    found = [_Error(error) if isinstance(error, str) else error for error in errors]
    return [
        Objection(
            service=service,
            conflict_type=error.code[:MAX_TEXT],
            description=error.message[:MAX_TEXT],
            resolution=""
            if error.suggested_value is None
            else f"Set {error.field or 'the parameter'} to {error.suggested_value}."[:MAX_TEXT],
        )
        for error in found
        if not _is_foreign(error.code, error.message)
    ]


def _of_conflicts(service: str, conflicts: Iterable[_Conflict | str]) -> list[Objection]:
    """Without those that the service has from asking us in its turn: what we say is in our own answer."""
    found = [_Conflict(description=each) if isinstance(each, str) else each for each in conflicts]
    return [
        Objection(
            service=service,
            conflict_type=conflict.conflict_type[:MAX_TEXT],
            description=conflict.description[:MAX_TEXT],
            resolution=conflict.resolution[:MAX_TEXT],
        )
        for conflict in found
        if conflict.service != OURSELVES and not _is_foreign(conflict.conflict_type, conflict.description)
    ]


def _is_foreign(code: str, message: str) -> bool:
    return code.upper() in _FOREIGN_CODES or _FOREIGN_WORDS.search(message) is not None
