"""The site's settings with its static files served from where they lie, and logins that cost nothing."""

from configsite.settings.base import *  # noqa: F403  (the settings as they are, but for these)

WHITENOISE_USE_FINDERS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
