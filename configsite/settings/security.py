"""What keeps people out: lockouts, limits, cookies, browsers' policies. production.py adds what needs TLS."""

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
# Failed attempts within the seconds, of one user from one address, and of anybody from one address.
LOGIN_FAILURES_PER_USER = VARIABLES.login_failures_per_user
LOGIN_FAILURES_PER_ADDRESS = VARIABLES.login_failures_per_address
LOGIN_LOCKOUT_SECONDS = VARIABLES.login_lockout_seconds

# (a second in the long run, at once) of one caller; 0 a second: no limit.
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
# How many proxies of ours append to X-Forwarded-For; 0: the header is not believed.
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
