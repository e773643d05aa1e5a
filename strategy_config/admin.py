"""The admin: everything to look at, nothing to change. History and layers change through the services only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from strategy_config.models import ApiToken, ConfigAudit, StrategyConfig, SymbolOverride

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # generic for the type checker only
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Lists and shows; adds, changes and deletes nothing."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(StrategyConfig)
class StrategyConfigAdmin(ReadOnlyAdmin):
    """Global layers."""

    list_display = ("strategy_id", "enabled", "version", "updated_at", "updated_by")


@admin.register(SymbolOverride)
class SymbolOverrideAdmin(ReadOnlyAdmin):
    """Layers of symbols."""

    list_display = ("strategy_id", "symbol", "enabled", "version", "expires_at", "updated_at", "updated_by")
    list_filter = ("strategy_id", "enabled")
    search_fields = ("symbol",)


@admin.register(ConfigAudit)
class ConfigAuditAdmin(ReadOnlyAdmin):
    """History."""

    list_display = ("sequence", "changed_at", "action", "strategy_id", "symbol", "version", "changed_by", "actor")
    list_filter = ("action", "strategy_id", "channel")
    search_fields = ("symbol", "changed_by", "actor", "reason")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens, by their last four characters."""

    list_display = ("name", "user", "last_four", "created_at", "expires_at", "revoked_at")
    exclude = ("digest",)
