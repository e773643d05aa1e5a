"""Every route of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("strategy_config.api.urls")),
    path("admin/", admin.site.urls),
]
