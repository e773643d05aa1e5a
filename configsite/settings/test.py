"""Settings of the tests: in memory, with nobody at the other end of Redis unless a test says so."""

import os
from types import MappingProxyType

os.environ.setdefault("SECRET_KEY", "for tests only")

from configsite.settings.base import *  # noqa: E402, F403  (base needs the key that is set above)
from configsite.settings.database import SQLITE_OPTIONS  # noqa: E402  (after the key, as above)
from realtime_runtime.config.layers import read_environment  # noqa: E402  (after the key, as above)
from realtime_runtime.strategies.registry import STRATEGIES  # noqa: E402  (after the key, as above)

DEBUG = False
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": SQLITE_OPTIONS}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
REDIS_URL = "redis://127.0.0.1:1/0"
API_ANONYMOUS = "none"
CONFLICT_CHECK_URLS: dict[str, str] = {}
STRATEGY_ENVIRONMENT = MappingProxyType(
    {strategy_id: read_environment(strategy, {}) for strategy_id, strategy in STRATEGIES.items()}
)
