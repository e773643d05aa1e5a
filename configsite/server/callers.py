"""What is known of a caller before the body of the request is received."""

import io
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections

from strategy_config.api.common.authentication import carries_credentials
from strategy_config.api.common.permissions import anonymous_permissions
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.store import transactions


def may_use_api(environ: Mapping[str, Any]) -> bool:
    """Whether the request carries anything that the API could accept as credentials."""
    return carries_credentials(environ) or bool(anonymous_permissions(environ))


def has_session(environ: dict[str, Any]) -> bool:
    """Whether a user with access to the admin is logged in, according to the database; false if it is unreachable."""
    if settings.SESSION_COOKIE_NAME not in environ.get("HTTP_COOKIE", ""):
        return False
    request = WSGIRequest({**environ, "wsgi.input": io.BytesIO()})
    close_old_connections()
    try:
        with transactions.store_errors():
            SessionMiddleware(_no_answer).process_request(request)
            user = get_user(request)
            return bool(user.is_active and user.is_staff)
    except StoreUnavailableError:
        return False
    finally:
        close_old_connections()


def _no_answer(request: Any) -> Any:
    raise NotImplementedError("Only the session of the middleware is used.")
