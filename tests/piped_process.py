"""A process that a test talks to by its output and by signals."""

import subprocess
from collections.abc import Mapping, Sequence

from embedded.servers import die_with_parent


def start_piped(
    command: Sequence[str], environ: Mapping[str, str], *, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start it, with text to read; it ends with the tests at the latest."""
    return subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=stderr, text=True, preexec_fn=die_with_parent
    )
