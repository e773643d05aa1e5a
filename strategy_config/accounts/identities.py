"""Notifies every worker when tokens, users, groups or permissions change, and when a user logs out.

No cached identity outlives that.

The store counts the changes; Redis shows the count under `SiteKeys.identities`. The number shown has random
low bits, so that no two announcements are ever equal, in whatever order they arrive.
"""

import secrets
from typing import Any

from django.contrib.auth import get_user_model, user_logged_out
from django.contrib.auth.models import Group
from django.db.models import F
from django.db.models.signals import m2m_changed, post_delete, post_save

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.models import ApiToken, ChangeSequence
from strategy_config.redis import redis_client
from strategy_config.store import transactions

_RANDOM_BITS = 32
# A worker that can read Redis must not miss what one slow answer kept from being shown there.
_ATTEMPTS = 3


def connect() -> None:
    """Watch everything that an identity is made of, edits in the admin included."""
    user = get_user_model()
    for model in (ApiToken, user, Group):
        post_save.connect(_changed, sender=model, dispatch_uid=f"identities.save.{model.__name__}")
        post_delete.connect(_changed, sender=model, dispatch_uid=f"identities.delete.{model.__name__}")
    user_logged_out.connect(_changed, dispatch_uid="identities.logout")
    for relation in (user.groups.through, user.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_changed, sender=relation, dispatch_uid=f"identities.{relation.__name__}")


@transactions.store_errors()
def announce() -> bool:
    """Show the store's count in Redis where another one stands there; false while Redis is away.

    Called after every change, and by the clock for what Redis missed while it was away. Raises StoreUnavailableError.
    """
    count = ChangeSequence.objects.values_list("identities", flat=True).get(pk=ChangeSequence.ONLY_ID)
    for _ in range(_ATTEMPTS):
        try:
            _show(count)
        except RedisUnavailableError:
            continue
        return True
    return False


def _show(count: int) -> None:
    key = redis_client.keys().identities
    shown = redis_client.run(lambda client: client.get(key), is_patient=True)
    if shown is None or not shown.isdigit() or int(shown) >> _RANDOM_BITS != count:
        number = (count << _RANDOM_BITS) + secrets.randbits(_RANDOM_BITS)
        redis_client.run(lambda client: client.set(key, number), is_patient=True)


def _changed(**kwargs: Any) -> None:
    if kwargs.get("update_fields") == frozenset({"last_login"}) or kwargs.get("raw"):
        return
    if ChangeSequence.objects.filter(pk=ChangeSequence.ONLY_ID).update(identities=F("identities") + 1):
        transactions.on_commit(announce)
