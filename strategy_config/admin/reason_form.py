"""The reason of a change: one field, one refusal, for every page that asks for one."""

from typing import Any, Self

from django import forms
from django.http import HttpRequest

from strategy_config.resolution import texts


class ReasonForm(forms.Form):
    """``given`` is the reason as typed, ``problem`` why there is none; "" each."""

    reason = forms.CharField(error_messages={"required": texts.REASON_REQUIRED})

    @classmethod
    def of(cls, request: HttpRequest, *, is_sent: bool | None = None) -> Self:
        """The form of a request. Nothing is asked for by a GET, nor where ``is_sent`` is False."""
        is_asked = request.method == "POST" if is_sent is None else is_sent
        return cls(request.POST if is_asked else None, initial={"reason": typed_reason(request)})

    @property
    def given(self) -> str:
        value: Any = self["reason"].value()
        return (value or "").strip()

    @property
    def problem(self) -> str:
        return str(next(iter(self.errors.get("reason", ())), ""))


def typed_reason(request: HttpRequest) -> str:
    """The reason as it came, which nothing is refused for: a stop needs none."""
    return request.POST.get("reason", "").strip()
