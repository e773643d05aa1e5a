"""Settings that differ on MongoDB."""

from typing import Any

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
MIGRATION_MODULES = {app: f"configsite.mongo_migrations.{app}" for app in ("admin", "auth", "contenttypes")}
_APPS = {
    "configsite.admin_apps.ConsoleConfig": "configsite.mongo_apps.MongoAdminConfig",
    "django.contrib.auth": "configsite.mongo_apps.MongoAuthConfig",
    "django.contrib.contenttypes": "configsite.mongo_apps.MongoContentTypesConfig",
}


def apps(installed: list[str]) -> list[str]:
    """INSTALLED_APPS with Django's own apps in the form that MongoDB needs."""
    return [_APPS.get(app, app) for app in installed]


def checked(uri: str) -> str:
    """A MongoDB connection string; raises ValueError, which does not repeat it (it holds a password)."""
    try:
        # SRV names and the deployment itself are looked up by the first query, not by the start.
        if uri and not uri.startswith("mongodb+srv://"):
            parse_uri(uri, warn=False)
    except (PyMongoError, ValueError):
        raise ValueError("is not a MongoDB connection string") from None
    return uri


def connection(uri: str, *, name: str, timeout_ms: int) -> dict[str, Any]:
    """Django's settings of a MongoDB deployment with transactions (a replica set or a sharded cluster).

    Acknowledged writes are on a majority of the servers, and reads see only such writes, from the primary. No operation
    lasts longer than ``timeout_ms``, including the driver's retries. ``uri`` is one that `checked` takes.
    """
    return {
        "ENGINE": "django_mongodb_backend",
        "HOST": uri,
        "NAME": name,
        "OPTIONS": {
            "appname": "configsite",
            "w": "majority",
            "readConcernLevel": "majority",
            "readPreference": "primary",
            "serverSelectionTimeoutMS": timeout_ms,
            "connectTimeoutMS": timeout_ms,
            "socketTimeoutMS": timeout_ms,
            "timeoutMS": timeout_ms,
        },
    }
