"""Lockouts, limits, cookies and browser policies. production.py adds the settings that need TLS."""

from typing import Any

from csp.constants import NONCE, NONE, SELF, UNSAFE_INLINE

from configsite.settings.variables import VARIABLES

AUTHENTICATION_BACKENDS = ["strategy_config.accounts.login_limits.CountingBackend"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Failed attempts within the seconds: per user and address, and per address for all users.
LOGIN_FAILURES_PER_USER = VARIABLES.login_failures_per_user
LOGIN_FAILURES_PER_ADDRESS = VARIABLES.login_failures_per_address
LOGIN_LOCKOUT_SECONDS = VARIABLES.login_lockout_seconds

# (requests per second on average, in a burst) of one caller; 0 per second: no limit.
RATE_LIMITS = {
    "reads": (
        VARIABLES.rate_limit_reads_per_second,
        VARIABLES.rate_limit_reads_burst,
    ),
    "writes": (
        VARIABLES.rate_limit_writes_per_second,
        VARIABLES.rate_limit_writes_burst,
    ),
}
# The number of our proxies that append to X-Forwarded-For; 0: the header is ignored.
TRUSTED_PROXIES = VARIABLES.trusted_proxies

CSRF_TRUSTED_ORIGINS = list(VARIABLES.csrf_trusted_origins)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3_600
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Forms; bodies of the API have their own limit, and whole bodies one in configsite.body_limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# Of every page. `configsite.content_policy` says which pages differ, and why.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        # Themes and documentation set style attributes; a style runs no code.
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
