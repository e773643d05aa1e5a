"""The OpenAPI document, as YAML or as JSON: made once in a process.

It takes seconds of a core, and anybody may ask for it, with queries and headers of his own.
"""

from collections.abc import Mapping
from tempfile import NamedTemporaryFile
from threading import Lock
from types import MappingProxyType
from typing import IO, Any

from django.http import FileResponse
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

KEPT_SECONDS = 3_600
_BY_FORMAT: Mapping[str, type[BaseRenderer]] = MappingProxyType(
    {"json": OpenApiJsonRenderer, "yaml": OpenApiYamlRenderer}
)


_lock = Lock()
_files: dict[type[BaseRenderer], IO[bytes]] = {}


class DocumentView(SpectacularAPIView):
    """As ``?format=`` says (json or yaml), else as the Accept header does; nothing else changes it."""

    def get_renderers(self) -> list[BaseRenderer]:
        """The one that is asked for by name, else all."""
        asked = _BY_FORMAT.get(self.request.GET.get("format", ""))
        return super().get_renderers() if asked is None else [asked()]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> FileResponse:
        """A file, so that a slow reader costs neither memory nor a thread."""
        renderer = request.accepted_renderer
        with _lock:
            file = _files.get(type(renderer))
            if file is None:
                file = _files[type(renderer)] = self._make(renderer)
        return FileResponse(
            open(file.name, "rb"),  # noqa: SIM115  # the response closes it
            filename=f"openapi.{renderer.format}",
            content_type=renderer.media_type,
            headers={"Cache-Control": f"max-age={KEPT_SECONDS}"},
        )

    def _make(self, renderer: BaseRenderer) -> IO[bytes]:
        """A file that is there as long as the process."""
        generator: Any = self.generator_class(urlconf=self.urlconf, patterns=self.patterns)
        content: Any = renderer.render(generator.get_schema(request=None, public=True), renderer.media_type, {})
        file = NamedTemporaryFile(prefix="openapi-")  # noqa: SIM115  # deleted when the process ends
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        return file
