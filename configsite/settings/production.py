"""Settings for production: what eases development is refused, what is embedded elsewhere has to be named."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from configsite import env
from configsite.settings.base import *  # noqa: F403  (these settings are the base ones, hardened)
from configsite.settings.base import BASE_DIR, DATABASES, DEBUG, SECRET_KEY

SECRET_KEY_LENGTH = 50
SECRET_KEY_CHARACTERS = 10
YEAR_SECONDS = 365 * 24 * 3_600

if DEBUG:
    raise ImproperlyConfigured("DEBUG must be false in production.")
if len(SECRET_KEY) < SECRET_KEY_LENGTH or len(set(SECRET_KEY)) < SECRET_KEY_CHARACTERS:
    raise ImproperlyConfigured(
        f"SECRET_KEY must have at least {SECRET_KEY_LENGTH} characters in production, "
        f"{SECRET_KEY_CHARACTERS} of them different."
    )
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", env.text("ALLOWED_HOSTS"))
if any(host in {"*", "."} for host in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts in production, not *.")
if not env.is_set("REDIS_URL"):
    raise ImproperlyConfigured("REDIS_URL must be set in production.")
if not (env.is_set("MONGODB_URI") or env.is_set("DATABASE_URL")):
    raise ImproperlyConfigured("MONGODB_URI or DATABASE_URL must be set in production.")
if (
    DATABASES["default"]["ENGINE"].endswith("sqlite3")
    and (BASE_DIR / "var") in Path(DATABASES["default"]["NAME"]).resolve().parents
):
    raise ImproperlyConfigured("DATABASE_URL must not be the embedded store of `make run` in production.")
# Needed by the relay alone, which refuses to start without it.
NATS_URL = env.text("NATS_URL", "")
ENVIRONMENT = env.text("ENVIRONMENT", "production")

# The header by which our own proxy says that it was asked over TLS, and the value that says so; the proxy has to
# remove what callers send under that name.
SECURE_PROXY_SSL_HEADER = env.header("SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto=https")
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
# Programs are not sent elsewhere: whoever asks the API in plain text has sent the token already, and probes and
# clients inside a cluster speak to the pods themselves.
SECURE_REDIRECT_EXEMPT = [r"^api/v1(/|$)", r"^(healthz|ready|metrics|info|)$"]
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", default=YEAR_SECONDS, minimum=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", default=True)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
