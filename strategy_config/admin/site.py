"""The admin site: the pages of this package at the routes that they name, beside Django's own."""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from strategy_config.accounts.permissions import Permission


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # the theme ships no type hints
    """The theme's, with a refusal that says what to do."""

    error_messages: ClassVar = {
        **AuthenticationForm.error_messages,
        "invalid_login": "This name and this password do not belong together, or the user may not come in here. "
        "Capitals count. Who has forgotten the password asks an administrator.",
    }


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # it ships no type hints
    """Its index is the dashboard."""

    index_title = "Dashboard"
    login_form = LoginForm

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The console's pages first, then users, groups, login and logout."""
        from strategy_config.admin import (
            compare_page,
            dashboard,
            halts_page,
            help_page,
            history_page,
            kill_switch,
            layer_page,
            market_page,
            overrides_page,
            people,
            progress,
            signals_page,
            tokens_page,
            transfer_page,
        )

        people.register(self)
        modules = (
            *(dashboard, layer_page, kill_switch, halts_page, progress, overrides_page, history_page),
            *(compare_page, signals_page, market_page, transfer_page, tokens_page, help_page),
        )
        pages = (page for module in modules for page in module.PAGES)
        return [*(page.url(self) for page in pages), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The dashboard; 403 for somebody who may see nothing."""
        from strategy_config.admin import dashboard, pages

        return pages.guarded(pages.Page("", "index", dashboard.dashboard))(request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Adds the state of the feed and the halts in force, which every page shows on top."""
        from strategy_config.admin import halts_page, live

        context: dict[str, Any] = super().each_context(request)
        if request.user.has_perm(Permission.VIEW):
            context["feed"] = live.feed_now()
            context["halts"] = halts_page.lines_now()
        return context
