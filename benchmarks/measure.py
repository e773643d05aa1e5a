"""Interleaved measurements: medians, their spread, and ratios that hold on a noisy machine.

Every case is run once a round, so that a neighbour's load hits all of them alike; compare the ratios of
one report, not the absolute figures of two.
"""

import os
import platform
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Case = TypeVar("Case", bound=Hashable)
LEAST_RUNS = 5
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """The results of one case's runs, in the unit that the case answers in."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """How far the runs lie apart: (largest - smallest) / median."""
        return (max(self.values) - min(self.values)) / self.median

    def ratio(self, other: "Sample") -> float:
        """The median over runs of this case's result divided by the other's in the same round."""
        return statistics.median(own / its for own, its in zip(self.values, other.values, strict=True))


def interleave(cases: Mapping[Case, Callable[[], float]], *, runs: int = LEAST_RUNS) -> dict[Case, Sample]:
    """Run every case once a round, forwards and backwards by turns, after one round that is thrown away."""
    if runs < LEAST_RUNS:
        raise ValueError(f"{runs} runs are too few to speak of a median: at least {LEAST_RUNS}")
    values: dict[Case, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for number in range(runs + 1):
        for name in names if number % 2 else reversed(names):
            result = cases[name]()
            if number:
                values[name].append(result)
    return {name: Sample(tuple(results)) for name, results in values.items()}


def machine() -> str:
    """The machine and how busy it is with others' work, in a line."""
    cores = f"{os.cpu_count()} cores ({platform.machine()})"
    return f"Python {platform.python_version()}, {cores}, load {os.getloadavg()[0]:.1f} at the start"


def noise() -> str:
    """How much of the processors' time other guests of the host took since this process began (Linux), in a line."""
    busy, stolen = (now - then for now, then in zip(_processor_time(), _AT_START, strict=True))
    return f"Other guests of the host took {stolen / max(1, busy + stolen):.0%} of what was asked of the cores."


def _processor_time() -> tuple[int, int]:
    """(ticks that this machine's cores worked, ticks that they waited for the host) since it was started."""
    fields = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return user + nice + system + irq + softirq, steal


_AT_START = _processor_time()


def tree_cpu_seconds(pid: int) -> float:
    """What the process and its children have used so far (Linux)."""
    tree = {pid}
    processes = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    for child in sorted(processes):
        if processes[child] and int(processes[child][1]) in tree:
            tree.add(child)
    return sum(int(ticks) for each in tree for ticks in processes[each][11:13]) / _TICKS


def _stat(process: Path) -> list[str]:
    """The fields after the name: state, parent, …, user and system ticks at 11 and 12; none where it has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first flush left, the others flush right."""
    widths = [max(len(row[at]) for row in (headers, *rows)) for at in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(headers), line(["-" * width for width in widths]), *(line(row) for row in rows)])
