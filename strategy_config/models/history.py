"""The history: one row for each accepted act, written once."""

import uuid
from typing import Any, ClassVar, NoReturn

from django.db import models

from strategy_config.models.columns import (
    CHANGED_BY_LENGTH,
    REASON_LENGTH,
    REQUEST_ID_LENGTH,
    STRATEGY_ID_LENGTH,
    SYMBOL_LENGTH,
)


class ImmutableRowError(TypeError):
    """History is written once: it is neither updated nor deleted."""


class ConfigAuditQuerySet(models.QuerySet["ConfigAudit"]):
    """Reads, and adds new rows; whatever changes one that is there raises ImmutableRowError."""

    def bulk_create(self, *args: Any, **kwargs: Any) -> list["ConfigAudit"]:
        """Insert new rows; the options that would update one that is there, or pass over it, are refused."""
        if len(args) > 1 or kwargs.keys() - {"objs", "batch_size"}:
            raise ImmutableRowError("Audit rows can only be added.")
        return super().bulk_create(*args, **kwargs)

    def update(self, **kwargs: Any) -> NoReturn:
        raise ImmutableRowError("Audit rows cannot be updated.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImmutableRowError("Audit rows cannot be updated.")

    def delete(self) -> NoReturn:
        raise ImmutableRowError("Audit rows cannot be deleted.")


class ConfigAudit(models.Model):
    """One accepted act, written once. ``hash`` covers all of it and the predecessor's hash.

    ``position`` is the row's place in the chain, without gaps. ``sequence``, without gaps too, is that of the acts
    which runtimes must learn of; NULL for others. A change of a layer has ``strategy_id``, ``symbol`` and ``version``;
    any other act is one of an object: ``object_kind``, ``object_id``, ``object_version``, and NULL for ``version``.
    The first row of a transaction has the identity of its write as ``id``; where there are more rows, all of them have
    it as ``set_id``. ``changed_by`` is what the writer claimed, ``actor`` who was authenticated. The parameters are
    the layer's own before and after the change; NULL: no layer. ``format``, ``salts`` and ``redacted``: see
    `audit_rows`.

    What a release before formats writes during an upgrade has no position: `chain` gives it one.
    """

    class Action(models.TextChoices):
        """What is done to a layer. Acts on objects have words of their own."""

        CREATE = "CREATE"
        UPDATE = "UPDATE"
        DELETE = "DELETE"
        ROLLBACK = "ROLLBACK"
        ENABLE = "ENABLE"
        DISABLE = "DISABLE"
        EXPIRE = "EXPIRE"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    position = models.PositiveBigIntegerField(unique=True, null=True)
    sequence = models.PositiveBigIntegerField(unique=True, null=True)
    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH, blank=True, default="")
    symbol = models.CharField(max_length=SYMBOL_LENGTH, blank=True, default="")
    action = models.CharField(max_length=16)
    version = models.PositiveBigIntegerField(null=True)
    old_parameters = models.JSONField(null=True)
    new_parameters = models.JSONField(null=True)
    changes = models.JSONField(default=list)
    changed_by = models.CharField(max_length=CHANGED_BY_LENGTH)
    actor = models.CharField(max_length=150)
    channel = models.CharField(max_length=16)
    request_id = models.CharField(max_length=REQUEST_ID_LENGTH, blank=True, default="")
    changed_at = models.DateTimeField()
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    hash = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    object_kind = models.CharField(max_length=32, null=True)
    object_id = models.CharField(max_length=64, null=True)
    object_version = models.PositiveBigIntegerField(null=True)
    set_id = models.UUIDField(null=True)
    format = models.PositiveSmallIntegerField(null=True)
    salts = models.JSONField(null=True)
    redacted = models.JSONField(null=True)

    objects = models.Manager.from_queryset(ConfigAuditQuerySet)()

    class Meta:
        db_table = "strategy_config_audit"
        ordering: ClassVar = ["-position"]
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["strategy_id", "symbol", "version"], name="one_audit_row_per_version"),
            models.UniqueConstraint(
                fields=["object_kind", "object_id", "object_version"], name="one_audit_row_per_object_version"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["strategy_id", "-sequence"], name="audit_newest_first"),
            models.Index(fields=["changed_at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        if self.object_kind is not None:
            return f"{self.position}: {self.action} {self.object_kind} {self.object_id} v{self.object_version}"
        return f"{self.position}: {self.action} {self.strategy_id} {self.symbol or 'global'} v{self.version}"

    @property
    def told_sequence(self) -> int:
        """The sequence of a row that has one."""
        if self.sequence is None:
            raise TypeError(f"{self} has no sequence.")
        return self.sequence

    @property
    def layer_version(self) -> int:
        """The version of the layer that the row is about."""
        if self.version is None:
            raise TypeError(f"{self} is about no layer.")
        return self.version

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; an existing row is refused with ImmutableRowError."""
        if not self._state.adding:
            raise ImmutableRowError("Audit rows cannot be updated.")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise ImmutableRowError("Audit rows cannot be deleted.")
