"""What the environment of a site process says and nothing heeds: one line each in its log, at its start."""

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
