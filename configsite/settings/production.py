"""Settings for production; `env.ProductionEnvironment` says which variables are required and which values are
refused."""

from django.core.exceptions import ImproperlyConfigured

from configsite.env import ProductionEnvironment
from configsite.settings.base import *  # noqa: F403  (these settings are the base ones, hardened)
from configsite.settings.variables import VARIABLES

if not isinstance(VARIABLES, ProductionEnvironment):
    raise ImproperlyConfigured("DJANGO_SETTINGS_MODULE must name these settings where they are used.")

SECURE_PROXY_SSL_HEADER = VARIABLES.secure_proxy_ssl_header
SECURE_SSL_REDIRECT = VARIABLES.secure_ssl_redirect
# Programs are not redirected: a client that calls the API in plain text has already sent its token, and probes and
# clients inside a cluster connect to the pods directly.
SECURE_REDIRECT_EXEMPT = [r"^api/v1(/|$)", r"^(healthz|ready|metrics|info|)$"]
SECURE_HSTS_SECONDS = VARIABLES.secure_hsts_seconds
SECURE_HSTS_INCLUDE_SUBDOMAINS = VARIABLES.secure_hsts_include_subdomains
SECURE_HSTS_PRELOAD = VARIABLES.secure_hsts_preload
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
