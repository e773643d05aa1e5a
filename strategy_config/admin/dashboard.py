"""The first page: every strategy, every runtime, the last changes, and whether the surroundings work."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from strategy_config.admin import live
from strategy_config.admin.pages import Page, show, whole
from strategy_config.resolution import resolution


def dashboard(request: HttpRequest) -> HttpResponse:
    """The page with its first document; it polls the next ones."""
    document = live.document(timezone.now())
    cards = [{**card, "name": resolution.strategy_name(card["id"])} for card in document["strategies"]]
    saved = whole(request.GET.get("saved"))
    return show(request, "dashboard.html", title="Dashboard", document=document, cards=cards, saved=saved)


def live_document(request: HttpRequest) -> HttpResponse:
    """The document alone, for the poll."""
    answer = JsonResponse(live.document(timezone.now()))
    answer["Cache-Control"] = "no-store"
    return answer


PAGES = (Page("live.json", "live", live_document),)
