"""Bodies that two readers could understand differently are refused before anything else looks at them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_config.api.common.parsing import MAX_DEPTH, parse_object
from strategy_config.exceptions import InvalidRequestError

REFUSED = {
    "nothing": b"",
    "not JSON": b"{",
    "no object": b"[1]",
    "null": b"null",
    "text": b'"a"',
    "duplicate member": b'{"a": 1, "a": 2}',
    "duplicate member inside": b'{"p": {"a": 1, "a": 2}}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "Latin-1": '{"a": "ü"}'.encode("latin-1"),
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate as name": b'{"\\udfff": 1}',
    "surrogates in the wrong order": b'{"a": "\\udc00\\ud800"}',
    "trailing text": b'{"a": 1} x',
    "single quotes": b"{'a': 1}",
    "control character": b'{"a": "\x01"}',
    "too deep": b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "far too deep": b"[" * 60_000,
    "a number of 60,000 digits": b'{"a": ' + b"1" * 60_000 + b"}",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_parse_object__ambiguous_or_broken_body__refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        parse_object(body)


def test_parse_object__duplicate_member__is_named() -> None:
    with pytest.raises(InvalidRequestError, match="buy_threshold"):
        parse_object(b'{"buy_threshold": 1, "buy_threshold": 2}')


def test_parse_object__surrogate_pair__is_one_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _json, max_size=4))
def test_parse_object__anything_that_json_writes__comes_back(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_parse_object__any_bytes__an_object_or_a_refusal(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except InvalidRequestError as refusal:
        str(refusal).encode()
