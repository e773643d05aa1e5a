"""The site as a WSGI application, for granian."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "configsite.settings.base")

_site = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's application; an answer that is there as a whole goes out as a list of its bytes.

    Granian sends a list in one piece with its length, and anything else in chunks.
    """
    response: Any = _site(environ, start_response)
    if response.streaming:
        return response  # type: ignore[no-any-return]  # an iterable response, by Django's contract
    try:
        return [response.content]
    finally:
        response.close()
