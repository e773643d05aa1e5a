"""Names and free text: what is refused by name, what stays, what a stop keeps of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_config.exceptions import InvalidRequestError
from strategy_config.resolution import texts

BAD_ANYWHERE = ["\0", "\x1b", "\x7f", "\x9f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
BAD_IN_ONE_LINE = ["\n", "\r\n", "\t", "\u2028"]
UNSEEN = ["", " ", "\u200b", "\u2003\u2800", "\u3164", "\u200d", "\ufeff", "\U000e0041", "\n\u00ad"]
KEPT = [
    "Zoë",
    "می\u200cخواهم",
    "\N{MAN}\u200d\N{PERSONAL COMPUTER}",
    "קשר",
    "a\u200bb",
    "\N{GRINNING FACE}\ufe0f",
    "👩‍🚀",
]


@pytest.mark.parametrize("character", BAD_ANYWHERE)
def test_name_and_text__control_or_direction_character__refused_by_name(character: str) -> None:
    for problem_of in (texts.problem_of_name, texts.problem_of_text, texts.problem_of_required_text):
        assert f"U+{ord(character):04X}" in (problem_of(f"a{character}b") or "")


@pytest.mark.parametrize("end", BAD_IN_ONE_LINE)
def test_name__with_lines__refused__text_may_have_them(end: str) -> None:
    assert texts.problem_of_name(f"a{end}b") is not None
    assert texts.problem_of_text(f"a{end}b") is None


@pytest.mark.parametrize("text", UNSEEN)
def test_name_and_required_text__nothing_to_be_seen__refused(text: str) -> None:
    assert texts.problem_of_name(text) is not None
    assert texts.problem_of_required_text(text) is not None


@pytest.mark.parametrize("text", KEPT)
def test_name__joiners_in_words_and_emoji__stay(text: str) -> None:
    assert texts.problem_of_name(text) is None
    assert texts.cleaned_name(text, length=100) == text


def test_require__names_field_and_limit() -> None:
    with pytest.raises(InvalidRequestError, match="name must have at most 5 characters"):
        texts.require_name("abcdef", field="name", length=5)
    with pytest.raises(InvalidRequestError, match=r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\)"):
        texts.require_text("a\u202e", field="reason", length=5)


@given(st.text())
def test_patterns__say_what_the_checks_say(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert (texts.problem_of_name(text) is None) == bool(re.search(texts.NAME_PATTERN.replace("$", r"\Z"), text))
    assert (texts.problem_of_text(text) is None) == bool(re.search(texts.TEXT_PATTERN.replace("$", r"\Z"), text))


@given(st.text(alphabet=st.characters(), max_size=60), st.integers(min_value=20, max_value=40))
def test_cleaned__whatever_was_given__can_be_kept(text: str, length: int) -> None:
    name, more = texts.cleaned_name(text, length=length), texts.cleaned_text(text, length=length)
    assert name == "" or (texts.problem_of_name(name) is None and len(name) <= length)
    assert more == "" or (texts.problem_of_required_text(more) is None and len(more) <= length)
