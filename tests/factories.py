"""Makes what tests need of the site: users, origins of changes."""

from datetime import UTC, datetime
from typing import Any

import factory
from django.contrib.auth.models import Group, User

from strategy_config.history.origins import Origin

NOON = datetime(2024, 8, 8, 12, 0, tzinfo=UTC)


class OriginFactory(factory.Factory[Origin]):
    """A change made by alice over the API at NOON."""

    class Meta:
        model = Origin

    changed_by = "alice"
    actor = "trader"
    channel = "api"
    request_id = factory.Sequence(lambda number: f"request-{number}")
    reason = "a test"
    at = NOON


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A user, in the groups named by ``groups``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda number: f"user{number}")

    @factory.post_generation
    def groups(self, create: bool, names: tuple[str, ...] | None, **kwargs: Any) -> None:
        if names:
            self.groups.set(Group.objects.filter(name__in=names))
