"""The answer to an accepted write, with the runtimes' answers where the request asks to wait for them."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config import selectors, services
from strategy_config.api import envelope
from strategy_config.api.runtimes import RuntimeWait


def write(
    request: Request,
    change: Callable[[], services.Written],
    *,
    wait_ms: int,
    render: Callable[[services.Written], Any] = lambda written: written.config,
) -> HttpResponse:
    """Make the change, wait for the runtimes where ``wait_ms`` says so, and answer the layer as it was written."""
    wait = RuntimeWait(wait_ms) if wait_ms else None
    written = change()
    warnings = list(written.warnings)
    metadata: dict[str, Any] = {
        "action": written.action,
        "sequence": written.sequence,
        "published": written.published,
        "warnings": warnings,
    }
    if wait is not None:
        metadata["runtimes"] = wait.answers(written.sequence)
        if wait.warning is not None:
            warnings.append(wait.warning)
    return envelope.success(
        request, render(written), metadata=metadata, headers={"ETag": selectors.etag(written.config)}
    )
