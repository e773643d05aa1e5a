"""The halts in force: who stopped what, when and why, and the resume of exactly these."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from strategy_config.accounts.permissions import Permission
from strategy_config.admin.page import Page, origin_of, show
from strategy_config.admin.reason_form import ReasonForm
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import halt_rows
from strategy_config.models import Halt
from strategy_config.selectors import known_halts
from strategy_config.services.halts import resume

ENDED_SHOWN = 20
NOTHING_CHOSEN = "Select the halts to resume."


def halts(request: HttpRequest) -> HttpResponse:
    """GET lists them. POST resumes the ones that are ticked, and no others."""
    reason = ReasonForm.of(request)
    chosen = request.POST.getlist("id")
    is_sent = request.method == "POST"
    if reason.is_valid() and chosen:
        resumed = resume(ids=chosen, origin=origin_of(request, reason=reason.given), restore="restore" in request.POST)
        return HttpResponseRedirect(f"{reverse('admin:index')}?saved={resumed.sequence}")
    return show(
        request,
        "halts.html",
        title="Halts",
        status=422 if is_sent else 200,
        lines=[line(row) for row in known_halts.open_halts()],
        ended=[line(row) for row in known_halts.ended_halts(limit=ENDED_SHOWN)],
        chosen=chosen,
        chosen_error=NOTHING_CHOSEN if is_sent and not chosen else "",
        reason=reason.given,
        reason_error=reason.problem,
    )


def lines_now() -> list[dict[str, object]]:
    """The halts in force; none while the database is unreachable."""
    try:
        return [line(row) for row in known_halts.open_halts()]
    except StoreUnavailableError:
        return []


def line(row: Halt) -> dict[str, object]:
    """A halt for templates."""
    return {"row": row, "what": str(halt_rows.scope_of(row))}


PAGES = (Page("halts/", "halts", halts, change=Permission.SWITCH_STRATEGY),)
