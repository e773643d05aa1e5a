"""Halting and resuming: the fastest stop, and the only way back."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog
from django.http import HttpResponse
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.request import Request

from strategy_config.api import halt_answers, requests
from strategy_config.api.common import envelope, examples, schema
from strategy_config.api.common.base import ApiView, lenient_origin, origin_of
from strategy_config.api.common.permissions import Permission
from strategy_config.api.runtimes import RuntimeWait
from strategy_config.exceptions import ConfigError, StoreUnavailableError
from strategy_config.history import halt_rows
from strategy_config.history.origins import Origin
from strategy_config.models import Halt
from strategy_config.resolution.instants import iso
from strategy_config.selectors import known_halts
from strategy_config.services import halts
from strategy_config.services.halts import Halted
from strategy_core.configuration.halts import Scope
from strategy_core.configuration.layers import InvalidParametersError

HALTED_INSTEAD = (halt_answers.Halted, "A stop, halted instead; the database is away, so that it is recorded later.")

logger = structlog.get_logger(__name__)

_UNPUBLISHED = "Redis is unreachable: the runtimes do not know this halt yet. Halt them directly (POST /halt there)."


class HaltView(ApiView):
    """Stops."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.STOP_STRATEGY}
    stopping_methods = frozenset({"POST"})

    def asks_stop(self, request: Request) -> bool:
        """Always."""
        return True

    @schema.operation(
        "halt",
        tag="Operation",
        summary="Halt everything, a strategy or a symbol",
        answer=halt_answers.Halted,
        accepted=(halt_answers.Halted, "Halted; the database is away, so that it is recorded later."),
        body=requests.HaltBody,
        query=requests.WaitQuery,
        examples=examples.HALT,
    )
    def post(self, request: Request) -> HttpResponse:
        """Stop what the scope names, until exactly this halt is resumed: no change and no switch ends it.

        Everybody who may change or stop a strategy may halt. Who and why is cut where it is too long.
        """
        body = requests.body(request, requests.HaltBody)
        query = requests.query(request, requests.WaitQuery)
        wait = RuntimeWait(query.wait_for_runtimes) if query.wait_for_runtimes else None
        halted = halts.halt(
            scope=body.halted_scope,
            origin=lenient_origin(request, requests.given(request)),
            halt_id=None if body.id is None else str(body.id),
        )
        return answer_halted(request, halted, wait)


class HaltsView(ApiView):
    """The halts in force."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"GET": Permission.VIEW}

    @schema.operation("listHalts", tag="Operation", summary="List the halts in force", answer=halt_answers.HaltList)
    def get(self, request: Request) -> HttpResponse:
        """The halts in force, the oldest first."""
        return envelope.success(request, [_halt(row) for row in known_halts.open_halts()])


class ResumeView(ApiView):
    """Ends halts."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.SWITCH_STRATEGY}

    @schema.operation(
        "resume",
        tag="Operation",
        summary="Resume what was halted",
        answer=halt_answers.Resumed,
        body=requests.ResumeBody,
        query=requests.WaitQuery,
        names_strategy=True,
        not_found="NOT_FOUND: no such halt is in force.",
        examples=examples.RESUME,
    )
    def post(self, request: Request) -> HttpResponse:
        """End the halts of these ids, or those of exactly this scope, and no others. What is switched off stays off.

        With `restore`, what was switched off beside the halts (for runtimes of a version without halts) is switched on.
        """
        if request.auth is None:
            raise NotAuthenticated("Only somebody with a name resumes: send a token as Authorization: Bearer <token>.")
        body = requests.body(request, requests.ResumeBody)
        query = requests.query(request, requests.WaitQuery)
        wait = RuntimeWait(query.wait_for_runtimes) if query.wait_for_runtimes else None
        resumed = halts.resume(
            ids=None if body.ids is None else [str(each) for each in body.ids],
            scope=None if body.scope is None else body.scope.halted,
            origin=origin_of(request, changed_by=body.changed_by, reason=body.reason),
            restore=body.restore,
        )
        warnings = [f"{halt_rows.scope_of(row)} is still halted ({row.id})." for row in resumed.remaining[:10]]
        warnings += [f"{name} is still switched off." for name in resumed.still_off]
        metadata: dict[str, Any] = {
            "action": halt_rows.RESUME,
            "sequence": resumed.sequence,
            "published": resumed.published,
            "switched_on": resumed.switched_on,
            "still_off": resumed.still_off,
            "warnings": warnings,
        }
        _wait(wait, resumed.sequence, metadata)
        data = {
            "ended": [_halt(row) for row in resumed.ended],
            "remaining": [_halt(row) for row in resumed.remaining],
        }
        return envelope.success(request, data, metadata=metadata)


def stop_or_halt(
    request: Request,
    stop: Callable[[], HttpResponse],
    *,
    strategy_id: str,
    symbol: str | None,
    origin: Origin,
) -> HttpResponse:
    """The answer of ``stop``; where the store is away, or fails for a reason that lies here, the same is halted."""
    scope = Scope(strategy_id=strategy_id, symbol=symbol)
    try:
        return stop()
    except StoreUnavailableError:
        return answer_halted(request, halts.halt_without_store(scope=scope, origin=origin))
    except (ConfigError, InvalidParametersError, requests.MalformedRequestError, APIException):
        raise
    except Exception:
        logger.exception("stop.failed", strategy_id=strategy_id, symbol=symbol)
        return answer_halted(request, halts.halt(scope=scope, origin=origin))


def answer_halted(request: Request, halted: Halted, wait: RuntimeWait | None = None) -> HttpResponse:
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
        _wait(wait, halted.sequence, metadata)
    status = 200 if halted.is_recorded else 202
    return envelope.success(request, _halt(halted.halt), metadata=metadata, status=status)


def _wait(wait: RuntimeWait | None, sequence: int, metadata: dict[str, Any]) -> None:
    if wait is None:
        return
    metadata["runtimes"] = wait.answers(sequence)
    if wait.warning is not None:
        metadata["warnings"].append(wait.warning)


def _halt(row: Halt) -> dict[str, Any]:
    scope: Scope = halt_rows.scope_of(row)
    return {
        "id": str(row.id),
        "scope": {"strategy_id": scope.strategy_id, "symbol": scope.symbol},
        "at": iso(row.at),
        "by": row.by,
        "reason": row.reason,
        "channel": row.channel,
    }
