"""API tokens: made once, kept as a digest, ended by revocation or by time."""

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from strategy_config.exceptions import InvalidRequestError, NotFoundError
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.live_rows import TOKEN, token_members
from strategy_config.history.origins import Origin, checked_origin
from strategy_config.models import CHANGED_BY_LENGTH, ApiToken, ConfigAudit
from strategy_config.resolution import instants, texts
from strategy_config.resolution.differences import differences
from strategy_config.store import transactions

PREFIX = "rts_"
LONGEST_DAYS = 3_650
NAME_LENGTH = 100
CREATED, REVOKED, ADOPTED = "CREATE", "REVOKE", "ADOPT"
ADOPTED_BY = "migrate"


def digest_of(plaintext: str) -> str:
    """What is kept of a token. A plain hash is enough: the token itself is 256 random bits."""
    return hashlib.sha256(plaintext.encode()).hexdigest()


def issue_token(
    *, user: User, name: str, days: int, at: datetime, origin: Origin | None = None
) -> tuple[ApiToken, str]:
    """A new token of the user, valid from ``at`` on, and its plaintext, which is kept nowhere; one row of the history.

    ``origin`` None: the user's own act, on the command line. Raises InvalidRequestError, StoreUnavailableError.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequestError(f"A token lasts 1 to {LONGEST_DAYS} days.", field="days")
    texts.require_name(name, field="name", length=NAME_LENGTH)
    plaintext = PREFIX + secrets.token_urlsafe(32)
    created_at = instants.to_milliseconds(at)
    by = checked_origin(origin or _own_act(user, at))

    def use_case(end: Chain) -> ApiToken:
        token = ApiToken.objects.create(
            user=user,
            name=name,
            digest=digest_of(plaintext),
            last_four=plaintext[-4:],
            created_at=created_at,
            expires_at=created_at + timedelta(days=days),
        )
        changes = differences({}, token_members(token))
        end.append_object(kind=TOKEN, object_id=token.pk, action=CREATED, origin=by, changes=changes)
        return token

    return chain.write(use_case), plaintext


def revoke_token(*, token: ApiToken, at: datetime, origin: Origin | None = None) -> None:
    """End the token; the next request with it is refused on every worker. A revoked token stays as it is.

    One row of the history; ``origin`` as above. Raises StoreUnavailableError.
    """
    revoked_at = instants.to_milliseconds(at)
    by = checked_origin(origin or _own_act(token.user, at))

    def use_case(end: Chain) -> ApiToken | None:
        stored = ApiToken.objects.filter(pk=token.pk).first()
        if stored is None or stored.revoked_at is not None:
            return stored
        before = token_members(stored)
        stored.revoked_at = revoked_at
        stored.save(update_fields=["revoked_at"])
        changes = differences(before, token_members(stored))
        end.append_object(kind=TOKEN, object_id=token.pk, action=REVOKED, origin=by, changes=changes)
        return stored

    stored = chain.write(use_case)
    token.revoked_at = revoked_at if stored is None else stored.revoked_at


def adopt_tokens(*, at: datetime) -> None:
    """Give tokens that are older than their history a row each, once: from then on each token has one."""
    if not ApiToken.objects.exists() or ConfigAudit.objects.filter(object_kind=TOKEN).exists():
        return
    by = Origin(ADOPTED_BY, ADOPTED_BY, "command", request_id="", at=instants.to_milliseconds(at))

    def use_case(end: Chain) -> None:
        if not ConfigAudit.objects.filter(object_kind=TOKEN).exists():
            for token in ApiToken.objects.select_related("user").order_by("created_at"):
                changes = differences({}, token_members(token))
                end.append_object(kind=TOKEN, object_id=token.pk, action=ADOPTED, origin=by, changes=changes)

    chain.write(use_case)


def _own_act(user: User, at: datetime) -> Origin:
    name = user.get_username()[:CHANGED_BY_LENGTH]
    return Origin(name, user.get_username(), "command", request_id="", at=at)


@transactions.store_errors()
def tokens_of(*, user: User) -> list[ApiToken]:
    """All tokens of the user, the newest first, revoked and expired ones too."""
    return list(ApiToken.objects.filter(user=user))


@transactions.store_errors()
def own_token(*, user: User, token_id: uuid.UUID | str) -> ApiToken:
    """A token of the user; raises NotFoundError, also if it belongs to another user."""
    try:
        token = ApiToken.objects.filter(user=user, pk=uuid.UUID(str(token_id))).first()
    except ValueError:
        token = None
    if token is None:
        raise NotFoundError("You have no such token.")
    return token
