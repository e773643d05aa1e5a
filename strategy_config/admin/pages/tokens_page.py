"""The API tokens of the one who is logged in: issued and shown once, revoked."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from strategy_config.accounts.permissions import Permission
from strategy_config.accounts.tokens import issue_token, own_token, revoke_token, tokens_of
from strategy_config.admin.page import Page, origin_of, show, whole
from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import ApiToken

DAYS = 90
MOST_DIGITS = 6


def tokens(request: HttpRequest) -> HttpResponse:
    """POST issues one, shown in this answer only, or revokes one once that is confirmed."""
    user: Any = request.user
    plaintext, problem, revoked = "", "", None
    name, days = request.POST.get("name", "").strip(), request.POST.get("days", str(DAYS)).strip()
    if request.method == "POST" and "revoke" in request.POST:
        revoked = own_token(user=user, token_id=request.POST["revoke"])
        if "confirm" not in request.POST:
            return _ask(request, revoked)
        revoke_token(token=revoked, at=timezone.now(), origin=origin_of(request, reason=""))
    elif request.method == "POST":
        try:
            # Anything that is not a number of days is refused as 0 is: with the limits.
            _, plaintext = issue_token(
                user=user,
                name=name,
                days=whole(days, MOST_DIGITS) or 0,
                at=timezone.now(),
                origin=origin_of(request, reason=""),
            )
        except InvalidRequestError as refusal:
            problem = refusal.message
    answer = show(
        request,
        "tokens.html",
        title="My API tokens",
        status=422 if problem else 200,
        tokens=tokens_of(user=user),
        plaintext=plaintext,
        problem=problem,
        revoked=revoked,
        name="" if plaintext else name,
        days=days,
        groups=_groups(list(user.groups.values_list("name", flat=True))),
        now=timezone.now(),
        origin=request.build_absolute_uri("/").rstrip("/"),
    )
    answer["Cache-Control"] = "no-store"
    return answer


def _ask(request: HttpRequest, token: ApiToken) -> HttpResponse:
    trail = (("My API tokens", reverse("admin:tokens")),)
    return show(request, "revoke.html", title=f"Revoke {token.name}", trail=trail, token=token)


def _groups(names: list[str]) -> str:
    return f"the group{'' if len(names) == 1 else 's'} {', '.join(names)}" if names else "no group"


# A token may do what its user may: whoever sees anything may have one.
PAGES = (Page("tokens/", "tokens", tokens, change=Permission.VIEW),)
