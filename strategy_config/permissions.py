"""What somebody may do: the permissions that the groups carry."""

from enum import StrEnum


class Permission(StrEnum):
    """Each by its name in Django."""

    VIEW = "strategy_config.view_strategyconfig"
    CHANGE_PARAMETERS = "strategy_config.change_parameters"
    SWITCH_STRATEGY = "strategy_config.switch_strategy"
    REFRESH_CACHE = "strategy_config.refresh_cache"
