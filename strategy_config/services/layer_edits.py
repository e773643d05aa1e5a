"""What a write asks of one layer, and what the layer would be then: its own parameters, and its switch. Pure.

The kill switch comes among the parameters, under the name `SWITCH`, because existing clients stop strategies that way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal

from strategy_config.exceptions import ConfigError
from strategy_core.configuration import parameter_values, validation
from strategy_core.configuration.parameter_values import StrategyClass, Values
from strategy_core.configuration.validation import InvalidParametersError, ParameterError

SWITCH: Final = "enabled"
Operation = Literal["merge", "replace"]


class Unset(Enum):
    """Means "leave as it is" where None has a meaning of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET


class NotAllowedError(ConfigError):
    """The caller may change the layer, but not in this way."""

    code = "FORBIDDEN"
    status = 403


@dataclass(frozen=True, slots=True)
class LayerEdit:
    """What a write asks of one layer.

    "merge" sets what ``parameters`` name, and a value of None removes; "replace" leaves exactly these. ``switch`` None
    and ``expires_at`` UNSET: as it is. ``switch_error``: what was given for the switch is refused.
    """

    operation: Operation
    parameters: Values
    expires_at: datetime | None | Unset = UNSET
    switch: bool | None = None
    switch_error: ParameterError | None = None

    @property
    def is_stop_alone(self) -> bool:
        """Whether it asks for nothing but the stop, so that there is nothing that could be refused."""
        return self.switch is False and self.operation == "merge" and not self.parameters and self.expires_at is UNSET


@dataclass(frozen=True, slots=True)
class Proposal:
    """A layer's future own parameters, not judged yet. ``inherited`` names what was given and stays inherited."""

    parameters: Values
    inherited: tuple[str, ...] = ()


def edit_of(operation: Operation, parameters: Values, expires_at: datetime | None | Unset = UNSET) -> LayerEdit:
    """The edit that a client asks for, with the switch taken out of the parameters."""
    if SWITCH not in parameters:
        return LayerEdit(operation, parameters, expires_at)
    rest = {name: value for name, value in parameters.items() if name != SWITCH}
    given = parameters[SWITCH]
    if isinstance(given, bool):
        return LayerEdit(operation, rest, expires_at, given)
    message = (
        f"{SWITCH} must be true or false, not {parameter_values.in_short(given)}. It switches the strategy on or off."
    )
    return LayerEdit(operation, rest, expires_at, None, ParameterError(SWITCH, "INVALID_TYPE", message))


def asks_stop(parameters: object) -> bool:
    """Whether these parameters, whatever else is among them, ask for a stop."""
    return isinstance(parameters, Mapping) and parameters.get(SWITCH) is False


def propose(strategy: StrategyClass, edit: LayerEdit, *, own: Values, below: Callable[[], Values]) -> Proposal:
    """What the edit makes of the layer's ``own`` parameters. ``below`` gives all that it would inherit.

    A merge that names every parameter sends a read back: what equals the inherited value and was not own does not
    become own, so that later changes of the layers below go on reaching this one.
    """
    if edit.operation == "replace":
        return Proposal(edit.parameters)
    own, given = parameter_values.carried_over(strategy, own), parameter_values.carried_over(strategy, edit.parameters)
    inherited: tuple[str, ...] = ()
    if _names_every_parameter(strategy, given):
        accepted, _ = validation.check_values(strategy, given)
        values = below()
        inherited = tuple(name for name, value in accepted.items() if name not in own and value == values[name])
        given = {name: value for name, value in given.items() if name not in inherited}
    return Proposal(_merged(strategy, own, given), inherited)


def judge(
    strategy: StrategyClass,
    edit: LayerEdit,
    proposal: Proposal,
    *,
    below: Values,
    above: Mapping[str, Values],
    stored: Values,
) -> dict[str, Any]:
    """The proposal as it is stored, see `validation.validate_layer`; raises InvalidParametersError with every error."""
    try:
        accepted = validation.validate_layer(strategy, proposal.parameters, below=below, overrides=above, stored=stored)
    except InvalidParametersError as refusal:
        if edit.switch_error is None:
            raise
        raise InvalidParametersError((edit.switch_error, *refusal.errors)) from None
    if edit.switch_error is not None:
        raise InvalidParametersError((edit.switch_error,))
    return accepted


def _names_every_parameter(strategy: StrategyClass, parameters: Values) -> bool:
    """Clients of the original service know its parameters only: those that came later may be missing."""
    return all(spec.name in parameters or spec.is_addition for spec in strategy.specs())


def _merged(strategy: StrategyClass, own: Values, changes: Values) -> dict[str, Any]:
    """``own`` with ``changes``, where a value of None removes.

    A name that neither the strategy nor the layer knows stays, None too: the one validation refuses it.
    """
    removable = {*strategy.parameters.model_fields, *own}
    return {name: value for name, value in {**own, **changes}.items() if value is not None or name not in removable}
