"""Django's admin app with our own admin site."""

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    default_site = "strategy_config.admin.site.ConsoleSite"
