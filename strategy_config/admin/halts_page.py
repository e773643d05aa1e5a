"""The halts in force: who stopped what, when and why, and the resume of exactly these."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from strategy_config.accounts.permissions import Permission
from strategy_config.admin.pages import Page, origin_of, show
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import halt_rows
from strategy_config.models import Halt
from strategy_config.selectors import selectors
from strategy_config.services import services

ENDED_SHOWN = 20
NO_REASON = "Give a reason; it is kept in the history."
NOTHING_CHOSEN = "Choose the halts to resume."


def halts(request: HttpRequest) -> HttpResponse:
    """GET lists them. POST resumes the ones that are ticked, and no others."""
    reason = request.POST.get("reason", "").strip()
    chosen = request.POST.getlist("id")
    is_sent = request.method == "POST"
    if is_sent and reason and chosen:
        resumed = services.resume(
            ids=chosen, origin=origin_of(request, reason=reason), restore="restore" in request.POST
        )
        return HttpResponseRedirect(f"{reverse('admin:index')}?saved={resumed.sequence}")
    return show(
        request,
        "halts.html",
        title="Halts",
        status=422 if is_sent else 200,
        lines=[line(row) for row in selectors.open_halts()],
        ended=[line(row) for row in selectors.ended_halts(limit=ENDED_SHOWN)],
        chosen=chosen,
        chosen_error=NOTHING_CHOSEN if is_sent and not chosen else "",
        reason=reason,
        reason_error=NO_REASON if is_sent and not reason else "",
    )


def lines_now() -> list[dict[str, object]]:
    """The halts in force; none where the store cannot say."""
    try:
        return [line(row) for row in selectors.open_halts()]
    except StoreUnavailableError:
        return []


def line(row: Halt) -> dict[str, object]:
    """A halt for templates."""
    return {"row": row, "what": str(halt_rows.scope_of(row))}


PAGES = (Page("halts/", "halts", halts, change=Permission.SWITCH_STRATEGY),)
