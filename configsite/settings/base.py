"""Settings of every installation; production.py hardens them, test.py isolates them."""

from pathlib import Path
from types import MappingProxyType

from configsite import env
from configsite.settings import database, mongodb
from configsite.settings.admin import *  # noqa: F403  (the admin's theme has a file of its own)
from configsite.settings.rest import *  # noqa: F403  (the settings of the HTTP API have a file of their own)
from configsite.settings.security import *  # noqa: F403  (as above)
from configsite.settings.variables import VARIABLES
from service_kit.redis_url import trusting
from strategy_core.configuration.environment_layer import read_environment
from strategy_core.configuration.unread import unread_variables
from strategy_core.strategies.registry import STRATEGIES

BASE_DIR = Path(__file__).resolve().parent.parent.parent

DEBUG = VARIABLES.debug
SECRET_KEY = VARIABLES.secret_key
ALLOWED_HOSTS = list(VARIABLES.allowed_hosts)
ENVIRONMENT = VARIABLES.environment

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "configsite.admin_apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # Last: its step after a migration needs the permissions of all other apps.
    "strategy_config.apps.StrategyConfigConfig",
]
MIDDLEWARE = [
    "configsite.metrics.RequestMetrics",
    "strategy_config.api.middleware.ApiMiddleware",
    "configsite.body_limit.BodyLimit",
    "configsite.work_limit.WorkLimit",
    "django.middleware.security.SecurityMiddleware",
    "configsite.content_policy.ContentPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "configsite.login_lockout.LoginLockout",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # The last one: it runs the views of the admin itself.
    "configsite.store_outage.StoreOutage",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the theme's, so that our templates override its own.
        "DIRS": [BASE_DIR / "strategy_config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "configsite.urls"
WSGI_APPLICATION = "configsite.wsgi.application"

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES: dict[str, str] = {}
MONGODB_TIMEOUT_MS = VARIABLES.mongodb_timeout_ms
if VARIABLES.mongodb_uri:
    DATABASES = {
        "default": mongodb.connection(
            VARIABLES.mongodb_uri, name=VARIABLES.mongodb_database, timeout_ms=MONGODB_TIMEOUT_MS
        )
    }
    DEFAULT_AUTO_FIELD = mongodb.DEFAULT_AUTO_FIELD
    MIGRATION_MODULES = mongodb.MIGRATION_MODULES
    INSTALLED_APPS = mongodb.apps(INSTALLED_APPS)
else:
    DATABASES = {"default": database.from_url(VARIABLES.database_url)}
# For `import_legacy`.
MONGODB_URI = VARIABLES.mongodb_uri
LEGACY_MONGODB_URI = VARIABLES.legacy_mongodb_uri

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

LOGGING_CONFIG = "configsite.logs.configure"
LOGGING = {
    "level": VARIABLES.log_level,
    "format": VARIABLES.log_format,
}

REDIS_URL = trusting(VARIABLES.redis_url, VARIABLES.redis_ca_file)
REDIS_KEY_PREFIX = VARIABLES.redis_key_prefix
CONFIG_CACHE_TTL_SECONDS = VARIABLES.config_cache_ttl_seconds
# The port of the worker's metrics; 0: off.
WORKER_METRICS_PORT = VARIABLES.worker_metrics_port
# For `manage.py relay_changes`, and for halts while the database is down.
NATS_URL = VARIABLES.nats_url
NATS_CA_FILE = VARIABLES.nats_ca_file
NATS_CREDS_FILE = VARIABLES.nats_creds_file
NATS_NKEY_SEED_FILE = VARIABLES.nats_nkey_seed_file
NATS_TOPIC_CONTROL = VARIABLES.nats_topic_control
HALT_SECRET = VARIABLES.halt_secret
HALT_TRUST_BROKER = VARIABLES.halt_trusts_broker
# What callers without credentials may do, by their network.
API_ANONYMOUS = VARIABLES.api_anonymous
# Further headers that may carry a token, besides Authorization.
API_TOKEN_HEADERS = VARIABLES.api_token_headers
CONFLICT_CHECK_URLS = VARIABLES.conflict_check_urls
STRATEGY_ENVIRONMENT = MappingProxyType(
    {strategy_id: read_environment(strategy, env.everything()) for strategy_id, strategy in STRATEGIES.items()}
)
# For OpenTelemetry's own variables.
PROCESS_ENVIRONMENT = env.everything()
UNREAD_VARIABLES = unread_variables(env.everything())
