"""Logs the variables of a site process that nothing uses, one line each, at its start."""

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)


def log_environment() -> None:
    """Name the strategies' variables that cannot be used, and the variables that nothing reads. No value is shown."""
    for layer in settings.STRATEGY_ENVIRONMENT.values():
        for problem in layer.problems:
            log.error("environment.ignored", variable=problem.variable, message=problem.message)
    for each in settings.UNREAD_VARIABLES:
        log.warning("environment.unread", variable=each.variable, message=each.message)
