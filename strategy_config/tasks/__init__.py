"""What Celery does for the app. Celery finds tasks in this module of every app; they live in `periodic`.

Imports transfer and below.
"""

from strategy_config.tasks import periodic

__all__ = ["periodic"]
