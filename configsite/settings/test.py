"""Settings of the tests: in memory, with an unreachable Redis unless a test sets one."""

import os
from types import MappingProxyType

os.environ.setdefault("SECRET_KEY", "for tests only")
TEST_STORE = os.environ.get("TEST_STORE", "sqlite")
IS_ON_MONGODB = TEST_STORE == "mongodb"
IS_ON_POSTGRESQL = TEST_STORE == "postgresql"
if IS_ON_MONGODB:
    # Without a deployment of one's own, tests/conftest.py starts a server and puts its address here.
    os.environ["MONGODB_URI"] = os.environ.get("MONGODB_TEST_URI") or "mongodb://127.0.0.1:1/"
else:
    os.environ.pop("MONGODB_URI", None)

from configsite.settings import database  # noqa: E402  (after the key, as above)
from configsite.settings.base import *  # noqa: E402, F403  (base needs the key that is set above)
from strategy_core.configuration.environment_layer import read_environment  # noqa: E402  (after the key, as above)
from strategy_core.strategies.registry import STRATEGIES  # noqa: E402  (after the key, as above)

DEBUG = False
if IS_ON_POSTGRESQL:
    # A role that may create databases: each test process creates its own next to the one in the URL.
    DATABASES = {"default": database.from_url(os.environ.get("POSTGRES_TEST_URL", ""))}
elif not IS_ON_MONGODB:
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": database.SQLITE_OPTIONS}
    }
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
REDIS_URL = "redis://127.0.0.1:1/0"
API_ANONYMOUS = ()
CONFLICT_CHECK_URLS = {}
STRATEGY_ENVIRONMENT = MappingProxyType(
    {strategy_id: read_environment(strategy, {}) for strategy_id, strategy in STRATEGIES.items()}
)
