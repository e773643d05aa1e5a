"""The OpenAPI document, as YAML or as JSON."""

from collections.abc import Mapping
from types import MappingProxyType

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer

_BY_FORMAT: Mapping[str, type[BaseRenderer]] = MappingProxyType(
    {"json": OpenApiJsonRenderer, "yaml": OpenApiYamlRenderer}
)


class DocumentView(SpectacularAPIView):
    """As ``?format=`` says (json or yaml), else as the Accept header does."""

    def get_renderers(self) -> list[BaseRenderer]:
        """The one that is asked for by name, else all."""
        asked = _BY_FORMAT.get(self.request.GET.get("format", ""))
        return super().get_renderers() if asked is None else [asked()]
