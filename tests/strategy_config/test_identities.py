"""Tokens, and the number that tells every worker that somebody's rights have changed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import user_logged_out
from django.contrib.auth.models import Group, Permission, User, update_last_login
from django.utils import timezone

from embedded.servers import Valkey
from strategy_config.accounts import identities, tokens
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.models import ApiToken
from strategy_config.redis import redis_client
from strategy_config.tasks import periodic
from tests.factories import UserFactory
from tests.strategy_config.conftest import CacheUnderTest

pytestmark = pytest.mark.django_db(transaction=True)


def shown(cache: CacheUnderTest) -> bytes | None:
    return cache.client.get(cache.keys.identities)


def _revoke(user: User) -> None:
    tokens.revoke_token(token=user.api_tokens.get(), at=timezone.now())


CHANGES: dict[str, Callable[[User], Any]] = {
    "token made": lambda user: tokens.issue_token(user=user, name="second", days=1, at=timezone.now()),
    "token revoked": _revoke,
    "token deleted": lambda user: ApiToken.objects.all().delete(),
    "user switched off": lambda user: (setattr(user, "is_active", False), user.save()),
    "user left a group": lambda user: user.groups.clear(),
    "user got a permission": lambda user: user.user_permissions.add(Permission.objects.get(codename="refresh_cache")),
    "group lost a permission": lambda user: Group.objects.get(name="trader").permissions.clear(),
    "user logged out": lambda user: user_logged_out.send(User, request=None, user=user),
    "user deleted": lambda user: user.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_identities__change_of_rights__is_announced(cache: CacheUnderTest, change: str) -> None:
    user = UserFactory(groups=("trader",))
    tokens.issue_token(user=user, name="first", days=1, at=timezone.now())
    before = shown(cache)
    CHANGES[change](user)
    assert before is not None
    assert shown(cache) not in {before, None}


def test_identities__login__changes_nothing(cache: CacheUnderTest) -> None:
    user = UserFactory()
    before = shown(cache)
    update_last_login(None, user)
    periodic.reconcile()
    assert shown(cache) == before


def test_identities__revoked_while_redis_is_down__is_announced_when_it_is_back(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)
    token, _ = tokens.issue_token(user=UserFactory(), name="first", days=1, at=timezone.now())
    before = shown(own_cache)
    with monkeypatch.context() as patch:
        patch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        tokens.revoke_token(token=token, at=timezone.now())
    assert shown(own_cache) == before
    periodic.reconcile()
    assert shown(own_cache) not in {before, None}


def test_identities__revoked_just_after_redis_failed__is_announced_at_once(
    own_cache: CacheUnderTest, fresh_valkey: Valkey
) -> None:
    token, _ = tokens.issue_token(user=UserFactory(), name="first", days=1, at=timezone.now())
    fresh_valkey.stop()
    with pytest.raises(RedisUnavailableError):
        redis_client.run(lambda client: client.ping())
    fresh_valkey.start()
    tokens.revoke_token(token=token, at=timezone.now())
    assert shown(own_cache) is not None


def test_announce__memory_lost__never_shows_a_number_twice(cache: CacheUnderTest) -> None:
    seen = set()
    for _ in range(5):
        cache.client.delete(cache.keys.identities)
        assert identities.announce()
        seen.add(shown(cache))
    assert len(seen) == 5


def test_revoke_token__twice__keeps_the_first_instant() -> None:
    token, _ = tokens.issue_token(user=UserFactory(), name="first", days=1, at=timezone.now())
    tokens.revoke_token(token=token, at=timezone.now())
    first = token.revoked_at
    tokens.revoke_token(token=token, at=timezone.now())
    assert ApiToken.objects.get().revoked_at == first


def test_shared_cache__failed_a_moment_ago__is_left_alone(fresh_valkey: Valkey, settings: Any) -> None:
    settings.REDIS_URL = fresh_valkey.url
    fresh_valkey.stop()
    with pytest.raises(RedisUnavailableError, match="cannot be reached"):
        redis_client.run(lambda client: client.ping())
    fresh_valkey.start()
    with pytest.raises(RedisUnavailableError, match="a moment ago"):
        redis_client.run(lambda client: client.ping())
    assert redis_client.run(lambda client: client.ping(), is_patient=True)
    assert redis_client.run(lambda client: client.ping())


def test_shared_cache__server_restarted__old_connection_is_replaced(fresh_valkey: Valkey, settings: Any) -> None:
    settings.REDIS_URL = fresh_valkey.url
    assert redis_client.run(lambda client: client.ping())
    fresh_valkey.stop()
    fresh_valkey.start()
    assert redis_client.run(lambda client: client.ping())
