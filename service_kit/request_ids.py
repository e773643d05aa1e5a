"""The id of a request: in its answer, in every line logged for it, in its trace, and in the history."""

import random
import re
from typing import Any

_USABLE = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_KEY = "strategy_config.request_id"


def choose(claimed: str | None) -> str:
    """The id that the client sent if it is usable (1 to 128 of ``A-Za-z0-9._-``), otherwise a new one."""
    if claimed is not None and _USABLE.fullmatch(claimed):
        return claimed
    # `secrets` would release the interpreter lock, which busy threads do not return at once.
    return f"{random.getrandbits(128):032x}"  # noqa: S311  (unique, no secret)


def give(request: Any) -> str:
    """Determine the request's id once, and keep it with the request."""
    request_id = choose(request.META.get("HTTP_X_REQUEST_ID"))
    request.META[_KEY] = request_id
    return request_id


def of(request: Any) -> str:
    """The id that the outermost middleware gave the request."""
    return str(request.META[_KEY])
