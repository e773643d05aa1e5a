"""The size of a request's body outside the API, refused before anything reads or stores it.

Django limits the fields of a form, but writes files of any size to disk, even for callers who are not logged in. Django
treats a body without a length as empty.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

MAX_BYTES = 1024 * 1024


class BodyLimit:
    """Answers 413 to bodies over 1 MiB."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, or the refusal."""
        declared = request.META.get("CONTENT_LENGTH") or "0"
        if not (declared.isascii() and declared.isdigit()):
            return HttpResponse("Content-Length is not a number.", status=400, content_type="text/plain")
        if int(declared) > MAX_BYTES:
            return HttpResponse(f"The body is larger than {MAX_BYTES} bytes.", status=413, content_type="text/plain")
        return self._get_response(request)
