"""API tokens: made once, kept as a digest, ended by revocation or by time."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from strategy_config import resolution, texts, transactions
from strategy_config.exceptions import InvalidRequestError
from strategy_config.models import ApiToken

PREFIX = "rts_"
LONGEST_DAYS = 3_650
NAME_LENGTH = 100


def digest_of(plaintext: str) -> str:
    """What is kept of a token. A plain hash is enough: the token itself is 256 random bits."""
    return hashlib.sha256(plaintext.encode()).hexdigest()


@transactions.store_errors()
def issue_token(*, user: User, name: str, days: int) -> tuple[ApiToken, str]:
    """A new token of the user, and its plaintext, which is kept nowhere; raises InvalidRequestError."""
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequestError(f"A token lasts 1 to {LONGEST_DAYS} days.", field="days")
    texts.require_name(name, field="name", length=NAME_LENGTH)
    plaintext = PREFIX + secrets.token_urlsafe(32)
    now = resolution.to_milliseconds(timezone.now())
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=digest_of(plaintext),
        last_four=plaintext[-4:],
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    return token, plaintext


@transactions.store_errors()
def revoke_token(*, token: ApiToken, at: datetime) -> None:
    """End the token; the next request with it is refused on every worker. A revoked token stays as it is."""
    if token.revoked_at is None:
        token.revoked_at = resolution.to_milliseconds(at)
        token.save(update_fields=["revoked_at"])
