"""What halts and resumes take and answer."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from strategy_config.api.common.answer_models import AnswerModel, InstantText, Metadata, Success, UuidText
from strategy_config.api.common.operations import EXAMPLE_SYMBOL
from strategy_config.api.common.request_fields import AnyStrategyId, ChangedBy, RequiredReason, RowId, Symbol
from strategy_config.api.common.request_models import RequestBody
from strategy_config.api.common.write_answers import RuntimeAnswer
from strategy_core.configuration.halts import Scope

HALT_EXAMPLES: dict[str, Any] = {
    "Everything": {"reason": "exchange down"},
    "One symbol": {"scope": {"symbol": EXAMPLE_SYMBOL}, "reason": "odd books"},
}

RESUME_EXAMPLES: dict[str, Any] = {"Everything again": {"scope": {}, "reason": "exchange is back"}}


class ScopeBody(RequestBody):
    """A strategy, a symbol of all strategies, or a strategy on a symbol; everything if both are left out."""

    strategy_id: AnyStrategyId | None = Field(
        default=None, description="May be a strategy that the code no longer has."
    )
    symbol: Symbol | None = None

    @property
    def halted(self) -> Scope:
        """As the services take it."""
        return Scope(strategy_id=self.strategy_id, symbol=self.symbol)


class HaltBody(RequestBody):
    """What to stop, who stops it, and why. By default everything, the caller, and no reason."""

    scope: ScopeBody | None = None
    changed_by: Any = Field(default=None, description="Who stops, as claimed; the caller if left out. Cut if too long.")
    reason: Any = Field(default=None, description="The reason, kept in the history. Cut if too long.")
    id: RowId | None = Field(
        default=None, description="An id chosen by the caller; a halt sent again under the same id is stored once."
    )

    @property
    def halted_scope(self) -> Scope:
        """As the services take it."""
        return Scope() if self.scope is None else self.scope.halted


_NOT_NULL: dict[str, Any] = {"not": {"const": None}}


class ResumeBody(RequestBody):
    """The halts to end: either those of these ids, or all in force of exactly this scope."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        # Neither, or both. As `oneOf` Redoc could not merge it into the members, nor show it in readable colours.
        json_schema_extra={
            "not": {
                "anyOf": [
                    {"properties": {"ids": {"const": None}, "scope": {"const": None}}},
                    {"required": ["ids", "scope"], "properties": {"ids": _NOT_NULL, "scope": _NOT_NULL}},
                ]
            }
        },
    )

    ids: Annotated[list[RowId], Field(min_length=1, max_length=1_000)] | None = None
    scope: ScopeBody | None = None
    restore: bool = Field(
        default=False, description="Switch on the layers that were switched off together with the halts."
    )
    changed_by: ChangedBy = None
    reason: RequiredReason


class HaltScope(AnswerModel):
    """What is halted: a strategy, a symbol of all strategies, or one strategy on a symbol; both null: everything."""

    strategy_id: str | None
    symbol: str | None


class Halt(AnswerModel):
    """One halt, in force until it is resumed."""

    id: UuidText
    scope: HaltScope
    at: InstantText
    by: str
    reason: str
    channel: str


class HaltMetadata(Metadata):
    """``recorded`` false: the database is unreachable; runtimes were told over ``told_over``, and the halt is stored
    later.

    ``switched_off`` counts the layers switched off as well, because a live runtime has a version without halts.
    """

    action: Literal["HALT"]
    recorded: bool
    sequence: int | None
    published: bool
    switched_off: int
    told_over: list[Literal["redis", "nats"]]
    warnings: list[str]
    runtimes: list[RuntimeAnswer] | None = Field(default=None, description="Only with wait_for_runtimes.")


class Halted(Success):
    data: Halt
    metadata: HaltMetadata


class ResumeData(AnswerModel):
    """``ended`` by this resume; ``remaining`` are the halts still in force."""

    ended: list[Halt]
    remaining: list[Halt]


class ResumeMetadata(Metadata):
    """``switched_on`` and ``still_off`` are layers that were switched off together with the halts."""

    action: Literal["RESUME"]
    sequence: int
    published: bool
    switched_on: list[str]
    still_off: list[str]
    warnings: list[str]
    runtimes: list[RuntimeAnswer] | None = Field(default=None, description="Only with wait_for_runtimes.")


class Resumed(Success):
    data: ResumeData
    metadata: ResumeMetadata


class HaltList(Success):
    data: list[Halt]
    metadata: Metadata
