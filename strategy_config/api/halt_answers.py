"""What the API answers to halts and resumes, as models like those of `answers`."""

from typing import Annotated, Literal

from pydantic import Field

from strategy_config.api.answers import Answer, Instant, Metadata, RuntimeAnswer, Success


class HaltScope(Answer):
    """What is halted: a strategy, a symbol of all strategies, a strategy on a symbol; neither: everything."""

    strategy_id: str | None
    symbol: str | None


class Halt(Answer):
    """One halt; it holds until a resume names its id."""

    id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    scope: HaltScope
    at: Instant
    by: str
    reason: str
    channel: str


class HaltMetadata(Metadata):
    """``recorded`` false: the database is away; runtimes were told over ``told_over``, and it is stored later.

    ``switched_off``: layers switched off as well, because a runtime of a version without halts is live.
    """

    action: Literal["HALT"]
    recorded: bool
    sequence: int | None
    published: bool
    switched_off: int
    told_over: list[Literal["redis", "nats"]]
    warnings: list[str]
    runtimes: list[RuntimeAnswer] | None = Field(default=None, description="With wait_for_runtimes.")


class Halted(Success):
    data: Halt
    metadata: HaltMetadata


class ResumeData(Answer):
    """``ended`` by this resume; ``remaining`` are the halts that still are in force."""

    ended: list[Halt]
    remaining: list[Halt]


class ResumeMetadata(Metadata):
    """``switched_on``, ``still_off``: layers that were switched off beside the halts."""

    action: Literal["RESUME"]
    sequence: int
    published: bool
    switched_on: list[str]
    still_off: list[str]
    warnings: list[str]
    runtimes: list[RuntimeAnswer] | None = Field(default=None, description="With wait_for_runtimes.")


class Resumed(Success):
    data: ResumeData
    metadata: ResumeMetadata


class HaltList(Success):
    data: list[Halt]
    metadata: Metadata
