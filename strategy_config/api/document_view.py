"""The OpenAPI document, as YAML or as JSON: made once in a process.

It takes seconds of a core, and anybody may ask for it, with queries and headers of his own.
"""

from collections.abc import Mapping
from tempfile import NamedTemporaryFile
from threading import Lock
from types import MappingProxyType
from typing import IO, Any

from django.http import FileResponse
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

KEPT_SECONDS = 3_600
# The first of each is what callers get that accept none of them.
_BY_FORMAT: Mapping[str, tuple[type[BaseRenderer], ...]] = MappingProxyType(
    {"json": (OpenApiJsonRenderer, OpenApiJsonRenderer2), "yaml": (OpenApiYamlRenderer, OpenApiYamlRenderer2)}
)


_lock = Lock()
_files: dict[str, IO[bytes]] = {}


class DocumentView(SpectacularAPIView):
    """As the path (``fixed_format``) or ``?format=`` says (json or yaml), else as the Accept header does.

    A format that is named is never refused for the Accept header; the header only chooses among its media types.
    """

    fixed_format: str | None = None

    @property
    def _named(self) -> tuple[type[BaseRenderer], ...] | None:
        return _BY_FORMAT.get(self.fixed_format or self.request.GET.get("format", ""))

    def get_renderers(self) -> list[BaseRenderer]:
        """Those of the format that is named, else all."""
        return super().get_renderers() if self._named is None else [renderer() for renderer in self._named]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """As the framework does, but a named format answers whatever is accepted."""
        return super().perform_content_negotiation(request, force=force or self._named is not None)

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> FileResponse:
        """A file, so that a slow reader costs neither memory nor a thread."""
        renderer = request.accepted_renderer
        with _lock:
            file = _files.get(renderer.format)
            if file is None:
                file = _files[renderer.format] = self._make(renderer)
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
