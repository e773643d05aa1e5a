"""The answer to a halt, and the halt that replaces a stop that cannot be stored."""

from typing import Any

import structlog
from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.request_models import MalformedRequestError
from strategy_config.api.common.runtime_wait import RuntimeWait
from strategy_config.api.resources.halts.models import Halted
from strategy_config.exceptions import ConfigError, StoreUnavailableError
from strategy_config.history import halt_rows
from strategy_config.history.origins import Origin
from strategy_config.models import Halt
from strategy_config.resolution.instants import iso
from strategy_config.services import halts
from strategy_core.configuration.halts import Scope
from strategy_core.configuration.validation import InvalidParametersError

HALTED_INSTEAD = (Halted, "The database is unreachable: the stop was made as a halt, which is recorded later.")

log = structlog.get_logger(__name__)

_UNPUBLISHED = (
    "Redis is unreachable: the runtimes have not received this halt. Halt them directly (POST /halt on each runtime)."
)


def halt_instead(
    request: Request, failure: Exception, *, strategy_id: str, symbol: str | None, origin: Origin
) -> HttpResponse:
    """Halt what a stop that failed was to stop, and answer that. Raises ``failure`` where it is a refusal.

    A stop fails if the database is unreachable, or by a fault of ours; neither may keep anything trading.
    """
    scope = Scope(strategy_id=strategy_id, symbol=symbol)
    if isinstance(failure, StoreUnavailableError):
        return answer_halted(request, halts.halt_without_store(scope=scope, origin=origin), RuntimeWait(0))
    if isinstance(failure, ConfigError | InvalidParametersError | MalformedRequestError | APIException):
        raise failure
    log.error("stop.failed", strategy_id=strategy_id, symbol=symbol, exc_info=failure)
    return answer_halted(request, halts.halt(scope=scope, origin=origin), RuntimeWait(0))


def answer_halted(request: Request, halted: halts.Halted, wait: RuntimeWait) -> HttpResponse:
    """The answer to a halt: 202 where it is not recorded yet."""
    is_untold = halted.sequence is not None and not halted.published
    metadata: dict[str, Any] = {
        "action": halt_rows.HALT,
        "recorded": halted.is_recorded,
        "sequence": halted.sequence,
        "published": halted.published,
        "switched_off": halted.switched_off,
        "told_over": halted.told_over,
        "warnings": [_UNPUBLISHED] if is_untold else [],
    }
    if halted.sequence is not None:
        wait.report(halted.sequence, metadata)
    status = 200 if halted.is_recorded else 202
    return envelope.success(request, render_halt(halted.halt), metadata=metadata, status=status)


def render_halt(row: Halt) -> dict[str, Any]:
    scope: Scope = halt_rows.scope_of(row)
    return {
        "id": str(row.id),
        "scope": {"strategy_id": scope.strategy_id, "symbol": scope.symbol},
        "at": iso(row.at),
        "by": row.by,
        "reason": row.reason,
        "channel": row.channel,
    }
