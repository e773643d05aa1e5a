"""Django's admin app with the site of our own."""

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    default_site = "strategy_config.admin.site.ConsoleSite"
