"""What the person at the terminal is told while something lasts."""

import threading

import pytest

from embedded.steps import step


def is_quiet() -> bool:
    """Whether no step is told of any more."""
    return all(thread.name != "teller" for thread in threading.enumerate())


def test_step__while_it_lasts__tells_of_its_progress_again_and_again() -> None:
    told: list[str] = []
    enough = threading.Event()
    figures = iter(["", "1 of 2", "2 of 2"])

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 4:
            enough.set()

    with step("working", progress=lambda: next(figures, ""), tell=tell, repeat_seconds=0.01):
        assert enough.wait(30)
    assert told[:4] == ["working", "working: 0 s", "working: 1 of 2, 0 s", "working: 2 of 2, 0 s"]
    assert is_quiet()


def test_step__that_fails__is_ended() -> None:
    with pytest.raises(ZeroDivisionError), step("failing", tell=lambda _: None):
        raise ZeroDivisionError
    assert is_quiet()
