"""What a user may do: the permissions of the groups."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Permission(StrEnum):
    """Each by its name in Django."""

    VIEW = "strategy_config.view_strategyconfig"
    CHANGE_PARAMETERS = "strategy_config.change_parameters"
    STOP_STRATEGY = "strategy_config.stop_strategy"
    SWITCH_STRATEGY = "strategy_config.switch_strategy"
    REFRESH_CACHE = "strategy_config.refresh_cache"


IMPLIED_BY: Mapping[Permission, tuple[Permission, ...]] = MappingProxyType(
    {Permission.STOP_STRATEGY: (Permission.CHANGE_PARAMETERS, Permission.SWITCH_STRATEGY)}
)
"""A user who may change or enable a strategy may stop it, also by an individual permission."""


def is_held(permission: Permission, has: Callable[[Permission], bool]) -> bool:
    """Whether the permission is held, by itself or by one that implies it; ``has`` answers for each by itself."""
    return has(permission) or any(has(other) for other in IMPLIED_BY.get(permission, ()))
