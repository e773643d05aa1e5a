"""How far an accepted change has come, for the panel that waits with the person who made it."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from strategy_config.admin import wording
from strategy_config.admin.page import Page, polled
from strategy_config.admin.script_shapes import ProgressDocument
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.observed import runtimes


def progress(request: HttpRequest, sequence: int) -> HttpResponse:
    """Each live runtime's answer so far, and the sentence that sums it up."""
    try:
        found = runtimes.progress(sequence, timezone.now())
    except RedisUnavailableError:
        found = None
    every = () if found is None else found.runtimes
    document: ProgressDocument = {
        "text": wording.progress_sentence(found),
        "is_done": bool(every) and all(each.state != "waiting" for each in every),
        "is_applied": bool(every) and all(each.state == "applied" for each in every),
        "runtimes": [
            {
                "instance_id": each.instance_id,
                "state": each.state,
                "latency_ms": each.latency_ms,
                "error": each.error,
                "silent_seconds": round(each.silent_seconds, 1),
            }
            for each in every
        ],
    }
    return polled(document)


PAGES = (Page("changes/<int:sequence>/progress.json", "progress", progress),)
