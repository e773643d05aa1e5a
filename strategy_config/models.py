"""The store: the layers of every strategy, their history, the sequence behind both, and API tokens.

Rows of layers are never deleted: "no layer" is ``parameters`` NULL, so that versions never restart.
"""

import uuid
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models

STRATEGY_ID_LENGTH = 64
SYMBOL_LENGTH = 24
CHANGED_BY_LENGTH = 100
REASON_LENGTH = 1_000
REQUEST_ID_LENGTH = 128
GLOBAL_SYMBOL = ""
"""The symbol of the global layer in the history (NULLs would not collide in a unique constraint); None elsewhere."""


class ImmutableRowError(TypeError):
    """History is written once: it is neither updated nor deleted."""


class Layer(models.Model):
    """What the global layer and a symbol's layer have in common.

    ``version`` counts the accepted changes of the layer, 0 = never set. ``sequence`` is that of the last one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    parameters = models.JSONField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=0)
    sequence = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)
    updated_by = models.CharField(max_length=CHANGED_BY_LENGTH, blank=True, default="")
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")

    class Meta:
        abstract = True


class StrategyConfig(Layer):
    """The global layer of a strategy; one row each, always there.

    ``enabled`` is the kill switch for all symbols; NULL leaves it to the environment.
    """

    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH, unique=True)
    enabled = models.BooleanField(null=True, blank=True)

    class Meta:
        db_table = "strategy_configs"
        ordering: ClassVar = ["strategy_id"]
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("change_parameters", "Can change the parameters of strategies"),
            ("stop_strategy", "Can stop strategies"),
            ("switch_strategy", "Can enable and disable strategies"),
            ("refresh_cache", "Can rebuild the shared cache"),
        ]

    def __str__(self) -> str:
        return self.strategy_id


class SymbolOverride(Layer):
    """The layer of one strategy on one symbol. From ``expires_at`` on its parameters no longer count."""

    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH)
    symbol = models.CharField(max_length=SYMBOL_LENGTH)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        db_table = "strategy_config_overrides"
        ordering: ClassVar = ["strategy_id", "symbol"]
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["strategy_id", "symbol"], name="one_override_per_symbol"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_id} on {self.symbol}"


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


class Halt(models.Model):
    """One stop apart from ``enabled``, in force until ``resumed_at``; one row for each id, by whatever channel it came.

    Empty ``strategy_id`` and ``symbol``: everything. ``at``, ``by``, ``reason`` and ``channel`` are those of the halt
    itself; ``sequence`` is that of its row in the history.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH, blank=True, default="")
    symbol = models.CharField(max_length=SYMBOL_LENGTH, blank=True, default="")
    at = models.DateTimeField()
    by = models.CharField(max_length=CHANGED_BY_LENGTH)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    channel = models.CharField(max_length=16)
    sequence = models.PositiveBigIntegerField()
    resumed_at = models.DateTimeField(null=True, blank=True, db_index=True)
    resumed_by = models.CharField(max_length=CHANGED_BY_LENGTH, blank=True, default="")
    resume_reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")

    class Meta:
        db_table = "strategy_halts"
        ordering: ClassVar = ["sequence"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"halt {self.id}"


class ChangeSequence(models.Model):
    """The one row that every write updates first: it orders all acts and holds the head of the audit chain.

    ``position`` is that of the last row of the chain, ``value`` the last sequence. ``position_hash`` is the
    ``head_hash`` that belongs to ``position``: where they differ, a release that knows no positions has written since.
    ``identities`` counts the changes of tokens, users and groups.
    """

    ONLY_ID: ClassVar = uuid.UUID(int=1)

    id = models.UUIDField(primary_key=True, default=ONLY_ID, editable=False)
    value = models.PositiveBigIntegerField(default=0)
    head_hash = models.CharField(max_length=64)
    identities = models.PositiveBigIntegerField(default=0)
    position = models.PositiveBigIntegerField(default=0)
    position_hash = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        db_table = "strategy_config_sequence"
        default_permissions = ()

    def __str__(self) -> str:
        return f"position {self.position}, sequence {self.value}"


class RelayPosition(models.Model):
    """The one row that says up to which sequence other services were told of changes."""

    ONLY_ID: ClassVar = uuid.UUID(int=1)

    id = models.UUIDField(primary_key=True, default=ONLY_ID, editable=False)
    sequence = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "strategy_config_relay"
        default_permissions = ()

    def __str__(self) -> str:
        return f"relayed up to {self.sequence}"


class ApiToken(models.Model):
    """A bearer token of a user. Only its digest is kept; ``last_four`` is for telling tokens apart."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "strategy_config_tokens"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"
