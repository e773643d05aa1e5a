"""What a change would do, and who would object to it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from strategy_config.api.common import envelope, errors
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import Permission
from strategy_config.api.common.request_models import body_of
from strategy_config.api.resources.checks.conflicts import HOP_HEADER, find_conflicts
from strategy_config.api.resources.checks.models import CHECK_EXAMPLES, Check, ConfigCheck
from strategy_config.services import dry_run
from strategy_config.services.dry_run import Preview


class CheckView(ApiView):
    """A change, checked and not made."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.VIEW}

    @operation(
        "validateConfig",
        tag="Configuration",
        summary="Check a change without making it",
        answer=ConfigCheck,
        body=Check,
        names_strategy=True,
        examples=CHECK_EXAMPLES,
    )
    def post(self, request: Request) -> HttpResponse:
        """Check parameters as POST …/config would, estimate the impact, and ask other services for conflicts.

        A service that does not answer within two seconds causes a warning, not a failure; `services` lists the outcome
        for each. No service is asked about the same change twice at once, and none for a request with
        `X-Conflict-Check-Hop`, which is part of another service's check.
        """
        body = body_of(request, Check)
        preview = dry_run.check_change(
            strategy_id=body.strategy_id,
            symbol=body.symbol,
            parameters=body.parameters,
            is_merge=True,
            at=timezone.now(),
        )
        found = find_conflicts(
            strategy_id=body.strategy_id,
            symbol=body.symbol,
            parameters=body.parameters,
            hop=request.headers.get(HOP_HEADER),
        )
        report = {
            "validation_passed": not preview.errors,
            "errors": [errors.render_parameter_error(error) for error in preview.errors],
            "warnings": [*preview.warnings, *found.warnings],
            "suggested_fixes": [
                f"Set {error.field} to {error.suggested_value}."
                for error in preview.errors
                if error.suggested_value is not None
            ],
            "estimated_impact": _impact(preview, body.symbol, len(body.parameters)),
            "conflicts": found.conflicts,
            "services": found.services,
        }
        return envelope.success(request, report)


def _impact(preview: Preview, symbol: str | None, parameter_count: int) -> dict[str, Any]:
    return {
        "risk_level": preview.risk_level,
        "affected_scope": _scope(preview, symbol),
        "parameter_count": parameter_count,
        "changes": preview.changes,
    }


def _scope(preview: Preview, symbol: str | None) -> str:
    if symbol is not None:
        return symbol
    if not preview.unaffected_symbols:
        return "all symbols"
    return f"all symbols but {', '.join(preview.unaffected_symbols)}, which keep their own values"
