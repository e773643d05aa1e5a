"""Words for people: every digit, and never better than it is."""

from typing import Any

import pytest

from strategy_config.admin import wording
from strategy_config.observed.runtimes import Acknowledgement, ChangeProgress
from strategy_config.resolution.differences import ParameterChange

BUY = ParameterChange("buy_threshold", 1.2, 1.35, 7.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.35, "1.35"),
        (60.0, "60"),
        (0.0001, "0.0001"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (100, "100"),
        (True, "on"),
        (["binance", "okx"], "binance, okx"),
        (None, "not set"),
    ],
)
def test_shown__value__has_every_digit_and_no_more(value: Any, text: str) -> None:
    assert wording.shown(value) == text


@pytest.mark.parametrize(
    ("symbol", "kept", "ending"),
    [
        (None, {}, "for all symbols"),
        (None, {"BTCUSDT": 1.5}, "for all symbols but BTCUSDT, which keeps 1.5"),
        (
            None,
            {"BTCUSDT": 1.5, "ETHUSDT": 2.0},
            "for all symbols but BTCUSDT (1.5), ETHUSDT (2), which keep their own values",
        ),
        ("BTCUSDT", {}, "for BTCUSDT"),
    ],
)
def test_change_sentence__names_size_and_scope(symbol: str | None, kept: dict[str, Any], ending: str) -> None:
    sentence = wording.change_sentence(BUY, symbol, kept)
    assert sentence == f"buy_threshold 1.2 → 1.35 (+12.5 %; 7.5 % of the range) {ending}"


def test_change_sentence__from_zero_or_without_range__tells_no_percentage_of_it() -> None:
    assert wording.change_sentence(ParameterChange("x", 0.0, 0.5, 50.0), "BTCUSDT", {}) == (
        "x 0 → 0.5 (50 % of the range) for BTCUSDT"
    )
    assert wording.change_sentence(ParameterChange("y", True, False, None), "BTCUSDT", {}) == "y on → off for BTCUSDT"


def test_row_sentence__of_a_token__tells_digests_apart_without_all_their_digits() -> None:
    changes = [{"parameter": "digest", "old": None, "new": "0123456789abcdef" * 4}]
    assert wording.row_sentence(changes) == "digest not set → 0123456789ab…"


APPLIED = Acknowledgement("a", "applied", 3.9, None, 1.0)
LATER = Acknowledgement("b", "applied", None, None, 1.0)
REJECTED = Acknowledgement("c", "rejected", 1.0, "top_levels 99 is out of range", 1.0)
WAITING = Acknowledgement("d", "waiting", None, None, 14.2)


@pytest.mark.parametrize(
    ("is_published", "runtimes", "words"),
    [
        (False, (WAITING,), "Stored, not yet applied: it has not been published to the runtimes yet."),
        (True, (), "Stored and published. No runtime is running to apply it."),
        (True, (APPLIED, LATER), "Applied by 2 of 2 in 3.9 ms"),
        (True, (LATER,), "Applied by 1 of 1 runtimes"),
        (True, (APPLIED, REJECTED), "Applied by 1 of 2; c rejected it: top_levels 99 is out of range"),
        (True, (APPLIED, WAITING), "Applied by 1 of 2; d has not answered (last seen 14 s ago)"),
    ],
)
def test_progress_sentence__says_who_has_not(
    is_published: bool, runtimes: tuple[Acknowledgement, ...], words: str
) -> None:
    assert wording.progress_sentence(ChangeProgress(7, is_published, runtimes)) == words


def test_progress_sentence__redis_away__does_not_claim_to_be_applied() -> None:
    assert wording.progress_sentence(None).startswith("Stored, not yet applied")
