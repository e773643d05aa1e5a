"""The admin site: the pages of this package at the routes that they name, beside Django's own."""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from strategy_config.accounts.permissions import Permission


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # the theme ships no type hints
    """The theme's, with an error that says what to do."""

    error_messages: ClassVar = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Wrong username or password, or this account has no access. Passwords are case-sensitive. "
        "If you have forgotten your password, ask an administrator.",
    }


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # it ships no type hints
    """Its index is the dashboard."""

    index_title = "Dashboard"
    login_form = LoginForm

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The console's pages first, then users, groups, login and logout."""
        from strategy_config.admin.pages import (
            compare_page,
            dashboard_page,
            halts_page,
            help_page,
            history_page,
            layer_page,
            market_page,
            overrides_page,
            progress_page,
            signals_page,
            switch_page,
            tokens_page,
            transfer_page,
            users_and_groups,
        )

        users_and_groups.register(self)
        modules = (
            *(dashboard_page, layer_page, switch_page, halts_page, progress_page, overrides_page, history_page),
            *(compare_page, signals_page, market_page, transfer_page, tokens_page, help_page),
        )
        pages = (page for module in modules for page in module.PAGES)
        return [*(page.url(self) for page in pages), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The dashboard; 403 for a user who may see nothing."""
        from strategy_config.admin import page
        from strategy_config.admin.pages import dashboard_page

        return page.guarded(page.Page("", "index", dashboard_page.dashboard))(request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Adds the state of the feed and the halts in force, which every page shows at the top."""
        from strategy_config.admin import heartbeats
        from strategy_config.admin.pages import halts_page

        context: dict[str, Any] = super().each_context(request)
        if request.user.has_perm(Permission.VIEW):
            context["feed"] = heartbeats.feed_now()
            context["halts"] = halts_page.lines_now()
        return context
