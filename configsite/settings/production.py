"""Settings for production: the secrets are required, what eases development is refused."""

from django.core.exceptions import ImproperlyConfigured

from configsite import env
from configsite.settings.base import *  # noqa: F403  (these settings are the base ones, hardened)
from configsite.settings.base import DEBUG

SECRET_KEY_LENGTH = 32

if DEBUG:
    raise ImproperlyConfigured("DEBUG must be false in production.")
SECRET_KEY = env.text("SECRET_KEY")
if len(SECRET_KEY) < SECRET_KEY_LENGTH:
    raise ImproperlyConfigured(f"SECRET_KEY must have at least {SECRET_KEY_LENGTH} characters in production.")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", env.text("ALLOWED_HOSTS"))
ENVIRONMENT = env.text("ENVIRONMENT", "production")

SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
