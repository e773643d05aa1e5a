"""What the fuzzer cannot know from the document. Loaded by schemathesis through SCHEMATHESIS_HOOKS."""

import re
import uuid
from typing import Any

import schemathesis

HALT = "/api/v1/halt"
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_PAST = re.compile(r"(?:[01]\d{3}|20\d\d)(-\d\d-\d\dT.*)", re.ASCII)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What JSON Schema cannot ask for.

    ``expires_at`` in the future (29 February stays one), and of something; an ``id`` of a halt that was never resumed.
    """
    if case.path == HALT and isinstance(case.body, dict) and _UUID.fullmatch(str(case.body.get("id"))):
        case.body["id"] = str(uuid.uuid4())
    if isinstance(case.body, dict) and isinstance(case.body.get("expires_at"), str):
        case.body["expires_at"] = _PAST.sub(r"2104\1", case.body["expires_at"])
        if isinstance(own := case.body.get("parameters"), dict) and all(value is None for value in own.values()):
            own["top_levels"] = 5
