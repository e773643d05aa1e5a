"""The trace that a message on NATS says it belongs to: in its header ``traceparent``, else in a member of that name."""

import re

_TRACEPARENT = rb"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"
_HEADER = re.compile(rb"\r\ntraceparent:[ \t]*" + _TRACEPARENT + rb"[ \t]*\r\n", re.IGNORECASE)
_NAME = b'"traceparent"'
_MEMBER = re.compile(_NAME + rb'\s*:\s*"' + _TRACEPARENT + rb'"')


def trace_of(payload: bytes, headers: bytes | None) -> str:
    """The traceparent of a message, "" where it has none; ``headers`` are as they stand on the wire."""
    found = None if headers is None else _HEADER.search(headers)
    if found is None and _NAME in payload:
        found = _MEMBER.search(payload)
    return "" if found is None else found[1].decode()
