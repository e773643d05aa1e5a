"""Logs of the site's processes, as Django's LOGGING_CONFIG sets them up."""

import sys
from typing import cast

from service_kit import logs
from service_kit.logs import LogFormat


def configure(options: dict[str, str]) -> None:
    """Set logging up; ``options`` are ``level`` and ``format`` ("json" or "console"). Called by Django at start."""
    logs.configure(level=options["level"], log_format=cast(LogFormat, options["format"]), stream=sys.stderr)
