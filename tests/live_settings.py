"""The site's settings with passwords that cost nothing: each of the real ones takes half a second of a processor."""

from configsite.settings.base import *  # noqa: F403  (the settings as they are, but for this)
from tests.measured_threads import trace_foreign_threads

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

trace_foreign_threads()
