"""The answer to an accepted write, with the runtimes' answers where the request asks to wait for them."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api.common import envelope, errors
from strategy_config.api.runtimes import RuntimeWait
from strategy_config.history.origins import Origin
from strategy_config.resolution import entity_tags
from strategy_config.services import switches
from strategy_config.services.layer_write import LayerWrite


def write(
    request: Request,
    change: Callable[[], LayerWrite],
    *,
    wait_ms: int,
    render: Callable[[LayerWrite], Any] = lambda written: written.config,
) -> HttpResponse:
    """Make the change, wait for the runtimes where ``wait_ms`` says so, and answer the layer as it was written."""
    wait = RuntimeWait(wait_ms) if wait_ms else None
    written = change()
    metadata = metadata_of(written)
    if wait is not None:
        metadata["runtimes"] = wait.answers(written.sequence)
        if wait.warning is not None:
            metadata["warnings"].append(wait.warning)
    if written.refusal is not None:
        return errors.answer_stopped(request, written.refusal, metadata)
    return envelope.success(
        request, render(written), metadata=metadata, headers={"ETag": entity_tags.etag(written.config)}
    )


def stop_in_spite_of(
    request: Request, refusal: Exception, *, strategy_id: str, symbol: str | None, origin: Origin
) -> HttpResponse:
    """Store the stop that a request asks for whose rest is refused, and answer both."""
    written = switches.switch(strategy_id=strategy_id, symbol=symbol, enabled=False, origin=origin)
    return errors.answer_stopped(request, refusal, metadata_of(written))


def metadata_of(written: LayerWrite) -> dict[str, Any]:
    """What every answer to a write says of it."""
    return {
        "action": written.action,
        "symbol": written.symbol,
        "sequence": written.sequence,
        "published": written.published,
        "unchanged": written.is_unchanged,
        "stopped": written.is_stopped,
        "inherited": list(written.inherited),
        "warnings": list(written.warnings),
    }
