"""Settings of every installation; production.py hardens them, test.py shuts the surroundings out."""

from pathlib import Path
from types import MappingProxyType

from configsite import env
from configsite.settings import database, mongodb
from configsite.settings.admin import *  # noqa: F403  (the admin's theme has a file of its own)
from configsite.settings.rest import *  # noqa: F403  (the settings of the HTTP API have a file of their own)
from configsite.settings.security import *  # noqa: F403  (as above)
from service_kit import tracing
from service_kit.redis_url import trusting
from strategy_core.configuration.layers import read_environment
from strategy_core.configuration.unread import unread_variables
from strategy_core.strategies.registry import STRATEGIES

BASE_DIR = Path(__file__).resolve().parent.parent.parent

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", "for development only, never in production" if DEBUG else None)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
ENVIRONMENT = env.text("ENVIRONMENT", "development")

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
    # Last: what it makes after a migration needs the permissions of all others.
    "strategy_config.apps.StrategyConfigConfig",
]
MIDDLEWARE = [
    "configsite.metrics.RequestMetrics",
    "strategy_config.api.middleware.ApiMiddleware",
    "configsite.body_limit.BodyLimit",
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
        # Before the theme's, so that templates of ours stand in for its own.
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
MONGODB_TIMEOUT_MS = env.integer("MONGODB_TIMEOUT_MS", default=5000, minimum=100)
if env.is_set("MONGODB_URI"):
    DATABASES = {
        "default": mongodb.connection(
            env.text("MONGODB_URI"),
            "MONGODB_URI",
            name=env.text("MONGODB_DATABASE", "petrosa"),
            timeout_ms=MONGODB_TIMEOUT_MS,
        )
    }
    DEFAULT_AUTO_FIELD = mongodb.DEFAULT_AUTO_FIELD
    MIGRATION_MODULES = mongodb.MIGRATION_MODULES
    INSTALLED_APPS = mongodb.apps(INSTALLED_APPS)
else:
    sqlite_url = f"sqlite:///{BASE_DIR / 'var' / 'db.sqlite3'}"
    DATABASES = {"default": database.from_url(env.text("DATABASE_URL", sqlite_url), "DATABASE_URL")}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# The original's word for what is for people is "text".
LOG_FORMATS = {"json": "json", "console": "console", "text": "console"}
LOGGING_CONFIG = "configsite.logs.configure"
LOGGING = {
    "level": env.choice("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", default="INFO"),
    "format": LOG_FORMATS[env.choice("LOG_FORMAT", *LOG_FORMATS, default="json")],
}

# The OTEL_* variables are read by OpenTelemetry itself, where they name a collector.
env.choice("OTEL_EXPORTER_OTLP_PROTOCOL", *tracing.PROTOCOLS, default=tracing.PROTOCOLS[0])

REDIS_URL = trusting(env.text("REDIS_URL", "redis://127.0.0.1:6379/0"), env.file("REDIS_CA_FILE"))
REDIS_KEY_PREFIX = env.text("REDIS_KEY_PREFIX", "strategies")
CONFIG_CACHE_TTL_SECONDS = env.integer("CONFIG_CACHE_TTL_SECONDS", default=60, minimum=1)
# Where the worker answers Prometheus; 0: nowhere.
WORKER_METRICS_PORT = env.integer("WORKER_METRICS_PORT", default=0, minimum=0)
# For `manage.py relay_changes`, and for halts while the database is away.
NATS_URL = env.text("NATS_URL", "nats://localhost:4222")
NATS_CA_FILE = env.file("NATS_CA_FILE")
NATS_CREDS_FILE = env.file("NATS_CREDS_FILE")
NATS_NKEY_SEED_FILE = env.file("NATS_NKEY_SEED_FILE")
NATS_TOPIC_CONTROL = env.text("NATS_TOPIC_CONTROL", f"control.{REDIS_KEY_PREFIX}")
HALT_SECRET = env.text("HALT_SECRET", "")
HALT_TRUST_BROKER = env.flag("HALT_TRUST_BROKER", default=False)
# What callers without credentials may do, by their network.
API_ANONYMOUS = env.grants("API_ANONYMOUS", "read", "write", "stop")
# Other headers that carry a token, beside Authorization.
API_TOKEN_HEADERS = env.header_names("API_TOKEN_HEADERS")
CONFLICT_CHECK_URLS = env.pairs("CONFLICT_CHECK_URLS")
STRATEGY_ENVIRONMENT = MappingProxyType(
    {strategy_id: read_environment(strategy, env.everything()) for strategy_id, strategy in STRATEGIES.items()}
)
UNREAD_VARIABLES = unread_variables(env.everything())
