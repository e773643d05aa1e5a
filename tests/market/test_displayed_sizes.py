"""The variation of displayed sizes equals the one computed anew, and what is kept is bounded."""

from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.displayed_sizes import SIZES_KEPT, DisplayedSizes


def variation(sizes: list[float]) -> float:
    return pstdev(sizes) / fmean(sizes)


@given(
    seen=st.lists(st.tuples(st.integers(1, 50), st.just(0.0) | st.floats(1e-8, 1e6)), min_size=1, max_size=60),
    window_ms=st.integers(1, 2_000),
)
def test_displayed_sizes__any_sizes__vary_as_computed_anew(seen: list[tuple[int, float]], window_ms: int) -> None:
    sizes = DisplayedSizes(0, 100.0)
    since = [(0, 100.0)]
    for step_ms, size in seen:
        since.append((since[-1][0] + step_ms, size))
        sizes.add(*since[-1])
        start_ms = since[-1][0] - window_ms
        recent = [a[1] for a, b in zip(since, [*since[1:], (10**12, 0.0)], strict=True) if b[0] > start_ms]
        expected = variation(recent) if start_ms >= 0 and fmean(recent) else None

        found = sizes.variation_since(start_ms)

        assert found == (expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-6))


def test_displayed_sizes__huge_size_once__is_forgotten() -> None:
    sizes = DisplayedSizes(0, 1e12)

    for time_ms in range(1, 100):
        sizes.add(time_ms, 5.0 + time_ms % 2 * 1e-3)

    assert sizes.variation_since(50) == pytest.approx(1e-4, rel=0.01)


def test_displayed_sizes__many_sizes__are_bounded() -> None:
    sizes = DisplayedSizes(0, 1.0)

    for time_ms in range(1, 10 * SIZES_KEPT):
        sizes.add(time_ms, 1.0)

    assert len(sizes) == SIZES_KEPT
    assert sizes.variation_since(0) is None
