"""The rules that several strategies share, written once more in the plainest way, to be compared with."""

from collections.abc import Iterable

BUY, SELL, NEUTRAL = 1, -1, 0


def edges(states: Iterable[tuple[int, int]], interval_seconds: float) -> list[int]:
    """Of (time in ms, state) a message: the positions at which an edge-triggered strategy signals."""
    signals: list[int] = []
    previous, last_signal_ms = NEUTRAL, float("-inf")
    for position, (time_ms, state) in enumerate(states):
        is_edge = state != previous and state != NEUTRAL
        previous = state
        if is_edge and time_ms - last_signal_ms >= interval_seconds * 1000:
            signals.append(position)
            last_signal_ms = time_ms
    return signals


def confidence(base: float, strength: float) -> float:
    """``lift`` of the specification."""
    return base if base >= 0.95 else base + (0.95 - base) * strength
