"""Bitcoin dominance against a plain implementation, its interval and bounds, and the effect of each parameter."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_core.market.messages import Dominance
from strategy_core.strategies.base import SymbolMarket
from strategy_core.strategies.btc_dominance import BtcDominance, BtcDominanceParameters
from tests.strategies.parameter_effects import Case, Effect, declare_effects
from tests.strategies.playback import Event, play

HOUR_MS = 3_600_000
PRICED: Event = ("price", 61_000.0)


def hourly(*dominance: float, start_hour: float = 0) -> list[Event]:
    """One observation an hour."""
    return [
        ("dominance", Dominance(btc=btc, time_ms=int((start_hour + i) * HOUR_MS))) for i, btc in enumerate(dominance)
    ]


def line(start: float, end: float, hours: int = 24) -> list[Event]:
    """Hourly observations on a straight line, both ends included."""
    return hourly(*[start + (end - start) * i / hours for i in range(hours + 1)])


def fitted_rise(window: Sequence[Dominance]) -> float:
    """Rise of the least-squares line over the observations, by the textbook."""
    if window[0].time_ms == window[-1].time_ms:
        return 0.0
    xs = [(seen.time_ms - window[0].time_ms) / HOUR_MS for seen in window]
    mean_x, mean_y = sum(xs) / len(xs), sum(seen.btc for seen in window) / len(window)
    covariance = sum((x - mean_x) * (seen.btc - mean_y) for x, seen in zip(xs, window, strict=True))
    return covariance / sum((x - mean_x) ** 2 for x in xs) * xs[-1]


def plain(events: Sequence[Event], values: dict[str, Any]) -> list[tuple[int, str, float, Any, Any]]:
    """(index, action, confidence, change, trend) of each signal; event times must rise."""
    p = BtcDominanceParameters(**values)
    found = []
    last_ms = float("-inf")
    for i, (_, seen) in enumerate(events):
        start_ms = seen.time_ms - p.window_hours * HOUR_MS
        window = [earlier for _, earlier in events[: i + 1] if earlier.time_ms >= start_ms]
        change, trend = seen.btc - window[0].btc, fitted_rise(window)
        if seen.btc > p.high_threshold and (trend > 1 or change > p.change_threshold):
            choice = ("buy", p.base_confidence_high)
        elif seen.btc < p.low_threshold and (trend < -1 or change < -p.change_threshold):
            choice = ("sell", p.base_confidence_low)
        elif abs(change) > p.change_threshold:
            choice = ("buy" if change > 0 else "sell", p.momentum_confidence)
        else:
            continue
        if seen.time_ms - last_ms >= p.min_signal_interval * 1000:
            last_ms = seen.time_ms
            found.append((i, *choice, pytest.approx(change, abs=1e-9), pytest.approx(trend, abs=1e-6)))
    return found


steps = st.tuples(st.integers(60_000, 20 * HOUR_MS), st.sampled_from([-4.0, -1.3, -0.4, 0.0, 0.3, 1.1, 4.2]))


@given(
    start=st.floats(35, 75),
    seen=st.lists(steps, max_size=60),
    values=st.fixed_dictionaries(
        {
            "window_hours": st.integers(12, 72),
            "min_signal_interval": st.integers(3600, 86_400),
            "change_threshold": st.floats(1, 15),
        }
    ),
)
def test_btc_dominance__any_rising_times__decides_as_the_plain_rule(
    start: float, seen: list[tuple[int, float]], values: dict[str, Any]
) -> None:
    time_ms, dominance, events = 0, start, []
    for step_ms, change in seen:
        time_ms, dominance = time_ms + step_ms, min(max(dominance + change, 20.0), 95.0)
        events.append(("dominance", Dominance(btc=dominance, time_ms=time_ms)))

    found = play(BtcDominance, [PRICED, *events], values)

    shown = [(i - 1, d.action, d.confidence, d.details["change_points"], d.details["trend_points"]) for i, d in found]
    assert shown == plain(events, values)


@pytest.mark.parametrize(
    ("events", "signals"),
    [
        pytest.param(line(70, 72), [("buy", 0.80, "dominance_high")], id="high and rising"),
        pytest.param(line(72.5, 72), [], id="high and about level"),
        pytest.param(hourly(72), [], id="one observation is no trend"),
        pytest.param(line(40, 38), [("sell", 0.75, "dominance_low")], id="low and falling"),
        pytest.param(line(38, 39), [], id="low and not falling"),
        pytest.param(hourly(55, 60.5), [("buy", 0.70, "dominance_momentum")], id="a rise in the middle"),
        pytest.param(hourly(55, 49.5), [("sell", 0.70, "dominance_momentum")], id="a fall in the middle"),
        pytest.param(hourly(55, 60), [], id="a change at the threshold is not above it"),
        pytest.param(hourly(80, 72), [("sell", 0.70, "dominance_momentum")], id="high, but falling fast"),
        pytest.param(hourly(80, 76, 73), [("sell", 0.70, "dominance_momentum")], id="high, falling step by step"),
    ],
)
def test_btc_dominance__observations__decides_by_level_trend_and_change(
    events: list[Event], signals: list[tuple[str, float, str]]
) -> None:
    found = play(BtcDominance, [PRICED, *events], {"min_signal_interval": 86_400})

    assert [(d.action, d.confidence, d.signal_type) for _, d in found] == signals
    assert all(d.price == 61_000.0 for _, d in found)


def test_btc_dominance__no_price_known__waits_for_one_without_using_up_the_interval() -> None:
    moved = hourly(55, 61, 62)

    found = play(BtcDominance, [*moved[:2], PRICED, moved[2]], {"min_signal_interval": 86_400})

    assert [index for index, _ in found] == [3]


@pytest.mark.parametrize(
    ("second", "signals"),
    [
        pytest.param(hourly(62, start_hour=104.999), 1, id="within the interval"),
        pytest.param(hourly(62, start_hour=105), 2, id="at its end"),
        pytest.param(hourly(50, 61), 2, id="after the clock was set back"),
    ],
)
def test_btc_dominance__second_signal__waits_for_the_interval(second: list[Event], signals: int) -> None:
    first = hourly(50, 61, start_hour=100)

    assert len(play(BtcDominance, [PRICED, *first, *second])) == signals


def test_btc_dominance__late_observation__is_left_out() -> None:
    late = ("dominance", Dominance(btc=90.0, time_ms=HOUR_MS // 2))

    assert play(BtcDominance, [PRICED, *hourly(55, 56), late, *hourly(56, start_hour=2)]) == []


def test_btc_dominance__burst_of_observations__state_stays_bounded() -> None:
    strategy = BtcDominance(SymbolMarket("BTCUSDT", last_price=61_000.0))
    parameters = BtcDominanceParameters(window_hours=12)
    for n in range(100_000):
        strategy.on_dominance(Dominance(btc=50 + n % 3, time_ms=n * 1_000), parameters)

    assert len(strategy._window) <= 12 * 60 + 2


def test_btc_dominance__years_of_observations__the_trend_keeps_its_precision() -> None:
    events = [hourly(50 + (i * 7919 % 1000) / 100, start_hour=i)[0] for i in range(30_000)]

    found = play(BtcDominance, [PRICED, *events], {"change_threshold": 1.0, "window_hours": 72})

    index, decision = found[-1]
    window = [seen for _, seen in events[index - 1 - 72 : index]]
    assert index > 29_000
    assert decision.details["trend_points"] == pytest.approx(fitted_rise(window), rel=0, abs=1e-10)


STEP = [PRICED, *hourly(55, 61)]
CASES = declare_effects(
    BtcDominance,
    {
        "high_threshold": Effect([PRICED, *line(70, 72)], changed={"high_threshold": 75.0}),
        "low_threshold": Effect([PRICED, *line(40, 38)], changed={"low_threshold": 35.0}),
        "change_threshold": Effect(STEP, changed={"change_threshold": 7.0}),
        "window_hours": Effect([PRICED, *line(50, 56)], changed={"window_hours": 12}),
        "min_signal_interval": Effect([*STEP, *hourly(62, start_hour=3)], changed={"min_signal_interval": 3600}),
        "base_confidence_high": Effect([PRICED, *line(70, 72)], changed={"base_confidence_high": 0.6}),
        "base_confidence_low": Effect([PRICED, *line(40, 38)], changed={"base_confidence_low": 0.6}),
        "momentum_confidence": Effect(STEP, changed={"momentum_confidence": 0.6}),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_btc_dominance__one_parameter_changed__changes_the_outcome(case: Case) -> None:
    case.check()
