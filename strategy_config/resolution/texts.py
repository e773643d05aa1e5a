"""Names and free text that people give: what is refused, and what a stop makes of it instead. Pure.

Refused are control characters, what reverses the direction of the text around it, and a text in which nothing can be
seen. Joiners and other invisible characters within a text that can be seen stay: words and emoji need them.
"""

import re
import unicodedata
from typing import Final

from strategy_config.exceptions import InvalidRequestError

REASON_REQUIRED: Final = "Give a reason; it is kept in the history."
"""The refusal of a change that needs a reason and has none."""
CUT_MARK: Final = "… [cut]"
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_DIRECTIONS = r"\u202a-\u202e\u2066-\u2069"
_LINE_ENDS = r"\t\n\r\u2028\u2029"
_BLANKS = r" \xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000"
# Unicode's Default_Ignorable_Code_Point: nothing is drawn for them.
_IGNORABLE = (
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2065\u206a-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_IN_LINES = _CONTROLS + _DIRECTIONS
_IN_ONE_LINE = _IN_LINES + _LINE_ENDS
_UNSEEN = _IN_ONE_LINE + _BLANKS + _IGNORABLE
TEXT_PATTERN: Final = f"^[^{_IN_LINES}]*$"
"""Text of several lines. The patterns are those of JSON Schema: surrogates are refused before."""
NAME_PATTERN: Final = f"^[^{_IN_ONE_LINE}]*[^{_UNSEEN}][^{_IN_ONE_LINE}]*$"
"""One line in which something can be seen."""
REQUIRED_TEXT_PATTERN: Final = f"^[^{_IN_LINES}]*[^{_UNSEEN}][^{_IN_LINES}]*$"
"""Text of several lines in which something can be seen."""
_REFUSED_IN_LINES = re.compile(f"[{_IN_LINES}\ud800-\udfff]")
_REFUSED_IN_ONE_LINE = re.compile(f"[{_IN_ONE_LINE}\ud800-\udfff]")
_SEEN = re.compile(f"[^{_UNSEEN}\ud800-\udfff]")


def is_seen(text: str) -> bool:
    """Whether anything of the text can be seen."""
    return _SEEN.search(text) is not None


def problem_of_name(text: str) -> str | None:
    """Why the text cannot be a name, to be read on from the name of its field; None where it can."""
    return _problem(text, _REFUSED_IN_ONE_LINE) or (None if is_seen(text) else "must contain a visible character")


def problem_of_text(text: str) -> str | None:
    """As `problem_of_name`, for text of any number of lines, which may be empty."""
    return _problem(text, _REFUSED_IN_LINES)


def problem_of_required_text(text: str) -> str | None:
    """As `problem_of_text`, for text that must say something."""
    return problem_of_text(text) or (None if is_seen(text) else "must contain a visible character")


def require_name(text: str, *, field: str, length: int) -> None:
    """Raises InvalidRequestError where the text cannot be a name of at most ``length`` characters."""
    _require(text, problem_of_name(text), field, length)


def require_text(text: str, *, field: str, length: int) -> None:
    """Raises InvalidRequestError where the text cannot be kept as one of at most ``length`` characters."""
    _require(text, problem_of_text(text), field, length)


def cleaned_name(text: str, *, length: int) -> str:
    """The text without what is refused, cut and marked as cut where it is too long; "" where nothing can be seen."""
    return _cleaned(text, _REFUSED_IN_ONE_LINE, length)


def cleaned_text(text: str, *, length: int) -> str:
    """As `cleaned_name`, with its lines."""
    return _cleaned(text, _REFUSED_IN_LINES, length)


def _problem(text: str, refused: re.Pattern[str]) -> str | None:
    found = refused.search(text)
    return None if found is None else f"must not hold {_named(found[0])}: remove that character"


def _named(character: str) -> str:
    name = unicodedata.name(character, "")
    if not name:
        name = "half of a surrogate pair" if "\ud800" <= character <= "\udfff" else "a control character"
    return f"U+{ord(character):04X} ({name})"


def _require(text: str, problem: str | None, field: str, length: int) -> None:
    if len(text) > length:
        problem = f"must have at most {length} characters"
    if problem is not None:
        raise InvalidRequestError(f"{field} {problem}.", field=field)


def _cleaned(text: str, refused: re.Pattern[str], length: int) -> str:
    kept = refused.sub(" ", text).strip()
    if not is_seen(kept):
        return ""
    return kept if len(kept) <= length else kept[: length - len(CUT_MARK)].rstrip() + CUT_MARK
