"""Every route of the site."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from configsite import health
from strategy_config.api.document_view import DocumentView

urlpatterns = [
    path("", health.root),
    path("api/v1/", include("strategy_config.api.urls")),
    path("api/schema/", DocumentView.as_view(), name="schema"),
    path("openapi.json", DocumentView.as_view(fixed_format="json"), name="schema_json"),
    path(
        "docs",
        SpectacularSwaggerView.as_view(url_name="schema", template_name="strategy_config/docs.html"),
        name="docs",
    ),
    path(
        "redoc",
        SpectacularRedocView.as_view(url_name="schema", template_name="strategy_config/redoc.html"),
        name="redoc",
    ),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("ready", health.ready),
    path("metrics", health.prometheus),
    path("info", health.info),
]
