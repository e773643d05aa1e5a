"""The rows and groups that follow from the code: made at every ``migrate``, never taken away."""

from collections.abc import Mapping
from types import MappingProxyType

from django.contrib.auth.models import Group, Permission

from strategy_config.history.chain import GENESIS
from strategy_config.models import ChangeSequence, RelayPosition, StrategyConfig
from strategy_core.strategies.registry import STRATEGIES

_VIEW = frozenset({"view_strategyconfig", "view_symboloverride", "view_configaudit"})
_TRADE = _VIEW | {"change_parameters", "stop_strategy"}
_OPERATE = _TRADE | {"switch_strategy", "refresh_cache"}
_TOKENS = {f"{verb}_apitoken" for verb in ("view", "add", "change", "delete")}
_PEOPLE = {f"{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in ("user", "group")}
GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"viewer": _VIEW, "trader": _TRADE, "operator": _OPERATE, "admin": _OPERATE | _TOKENS | _PEOPLE}
)
_APPS = ("strategy_config", "auth")


def sync_catalogue() -> None:
    """See that the chain has its beginning, every strategy its row and every group its permissions. Idempotent.

    What an administrator added to a group stays.
    """
    beginning = {"head_hash": GENESIS, "position_hash": GENESIS}
    head, _ = ChangeSequence.objects.get_or_create(pk=ChangeSequence.ONLY_ID, defaults=beginning)
    # Where there is a history already, nobody was promised to be told of it.
    RelayPosition.objects.get_or_create(pk=RelayPosition.ONLY_ID, defaults={"sequence": head.value})
    known = set(StrategyConfig.objects.values_list("strategy_id", flat=True))
    for strategy_id, strategy in STRATEGIES.items():
        # One that had another id gets its row with what was set under that: see `renamed_strategies`.
        if strategy_id not in known and not strategy.former_ids:
            StrategyConfig.objects.get_or_create(strategy_id=strategy_id)
    permissions = {
        permission.codename: permission
        for permission in Permission.objects.filter(content_type__app_label__in=_APPS).select_related("content_type")
    }
    for name, codenames in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*(permissions[codename] for codename in sorted(codenames) if codename in permissions))
