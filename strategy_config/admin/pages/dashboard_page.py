"""The first page: every strategy, every runtime, the last changes, and whether the surroundings work."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from strategy_config.admin import poll_document
from strategy_config.admin.page import Page, polled, show, whole


def dashboard(request: HttpRequest) -> HttpResponse:
    """The page with its first document; it polls the next ones."""
    document = poll_document.document(timezone.now())
    saved = whole(request.GET.get("saved"))
    return show(request, "dashboard.html", title="Dashboard", document=document, saved=saved)


def live_document(request: HttpRequest) -> HttpResponse:
    """The document alone, for the poll."""
    return polled(poll_document.document(timezone.now()))


PAGES = (Page("live.json", "live", live_document),)
