"""A live site's settings with its static files served from where they lie."""

from tests.live_settings import *  # noqa: F403  (the settings as they are, but for this)

WHITENOISE_USE_FINDERS = True
