"""The Celery tasks of the app. Celery looks for tasks in this module of every app; they are in `periodic`.

Imports transfer and below.
"""

from strategy_config.tasks import periodic

__all__ = ["periodic"]
