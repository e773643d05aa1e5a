"""Waits between attempts: their growth, their bound, their jitter."""

import pytest

from service_kit.backoff import Backoff


def test_backoff__failures__double_up_to_the_longest_wait_and_start_anew() -> None:
    backoff = Backoff(first_seconds=1, last_seconds=10, draw=lambda: 0.0)
    assert [backoff.next_wait() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next_wait() == 1


@pytest.mark.parametrize(
    ("share", "drawn", "wait"), [(0.5, 0.0, 4.0), (0.5, 0.5, 3.0), (0.5, 1.0, 2.0), (1.0, 0.75, 1.0), (0.0, 1.0, 4.0)]
)
def test_backoff__jitter__takes_up_to_its_share_away(share: float, drawn: float, wait: float) -> None:
    assert Backoff(first_seconds=4, last_seconds=60, jitter_share=share, draw=lambda: drawn).next_wait() == wait


def test_backoff__outage_of_days__stays_at_the_longest_wait() -> None:
    backoff = Backoff(first_seconds=0.05, last_seconds=2.0, draw=lambda: 0.0)
    assert [backoff.next_wait() for _ in range(5_000)][-1] == 2.0
