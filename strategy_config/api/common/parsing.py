"""Request bodies as strict JSON: what two readers could understand differently is refused."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import JSONParser

from strategy_config.exceptions import InvalidRequestError

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 32


class StrictJSONParser(JSONParser):
    """JSON without duplicate members, NaN, Infinity, lone surrogates or more than 32 levels of nesting."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object in the body; raises InvalidRequestError for anything else."""
        return parse_object(stream.read())


class MergePatchParser(StrictJSONParser):
    """The same under the media type of RFC 7396, where a body merges."""

    media_type = "application/merge-patch+json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """As `StrictJSONParser`; raises UnsupportedMediaType for a method that does not merge."""
        if parser_context is None or parser_context["request"].method not in {"POST", "PATCH"}:
            raise UnsupportedMediaType(self.media_type)
        return super().parse(stream, media_type, parser_context)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises InvalidRequestError saying what is wrong with it."""
    try:
        parsed = json.loads(body.decode(), object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InvalidRequestError("The body is not UTF-8.") from None
    except RecursionError:
        raise InvalidRequestError(f"The body is nested more than {MAX_DEPTH} levels deep.") from None
    except json.JSONDecodeError as exception:
        raise InvalidRequestError(f"The body is not JSON: {exception}.") from None
    except ValueError:
        raise InvalidRequestError("The body contains a number with too many digits.") from None
    if not isinstance(parsed, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    _check(parsed, depth=1)
    return parsed


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidRequestError(f"The body has the member {ascii(name[:64])} more than once.")
        members[name] = value
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequestError(f"The body is not JSON: {name} is not a JSON number.")


def _check(value: Any, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidRequestError(f"The body is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        _refuse_lone_surrogates(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            _refuse_lone_surrogates(name)
            _check(item, depth=depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth=depth + 1)


def _refuse_lone_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError("The body contains an unpaired surrogate, which is not a character.") from None
