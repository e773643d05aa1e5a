"""The environment of a process that is to find nothing of ours in it."""

import os

# The last one is how coverage measures the processes of a run that is measured.
_OF_THE_MACHINE = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG")


def clean_environment() -> dict[str, str]:
    """What a process needs of this machine, and no variable of the product."""
    return {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}
