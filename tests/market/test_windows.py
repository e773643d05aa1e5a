"""The time window against a plain list, and its bounds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strategy_core.market.windows import TimeWindow

SLOT_MS = 10


def step(window: TimeWindow[int], time_ms: int, length_ms: int) -> bool:
    """What a strategy does with a sample; the sample is its own time."""
    if not window.move_to(time_ms, length_ms):
        return False
    window.append(time_ms, time_ms)
    return True


def plain_step(kept: list[int], time_ms: int, length_ms: int) -> list[int]:
    """The same on a list of times, as the docstrings say."""
    if kept and time_ms < kept[-1]:
        return kept if kept[-1] - time_ms <= length_ms else [time_ms]
    kept = [seen for seen in kept if seen >= time_ms - length_ms]
    if kept and kept[-1] // SLOT_MS == time_ms // SLOT_MS:
        kept = kept[:-1]
    return [*kept, time_ms]


@example([(0, 100), (50, 100), (50, 100)])  # just as old as the window is long
@example([(0, 100), (50, 100), (51, 100)])
@given(st.lists(st.tuples(st.integers(-300, 300), st.sampled_from([20, 100, 5_000])), max_size=200))
def test_time_window__any_times_and_lengths__holds_what_a_plain_list_holds(steps: list[tuple[int, int]]) -> None:
    window: TimeWindow[int] = TimeWindow(SLOT_MS)
    kept: list[int] = []
    time_ms = 10_000
    for step_ms, length_ms in steps:
        time_ms = max(0, time_ms + step_ms)
        was_taken = step(window, time_ms, length_ms)
        before, kept = kept, plain_step(kept, time_ms, length_ms)

        assert window.samples() == kept
        assert was_taken == (kept is not before)
        assert (window.oldest(), window.newest(), len(window)) == (kept[0], kept[-1], len(kept))
        assert window.middle() == next(seen for seen in kept if 2 * seen >= kept[0] + kept[-1])


def test_time_window__long_stream_with_bursts__memory_stays_bounded() -> None:
    window: TimeWindow[int] = TimeWindow(SLOT_MS)
    for n in range(200_000):
        step(window, n // 10, 1_000)

        assert len(window._times) <= 2 * (1_000 // SLOT_MS + 2) + 64


@pytest.mark.parametrize("end", ["oldest", "newest", "middle"])
def test_time_window__nothing_left_in_it__says_so(end: str) -> None:
    window: TimeWindow[int] = TimeWindow(SLOT_MS)
    step(window, 0, 100)
    window.move_to(10_000, 100)

    with pytest.raises(IndexError):
        getattr(window, end)()
