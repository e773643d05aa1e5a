"""The Celery application, which runs reconciliation, expiry and the audit check on a schedule."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_ready
from django.conf import settings

from configsite import clock, environment_log, worker_metrics
from service_kit import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "configsite.settings.base")

RECONCILE_SECONDS = 15
VERIFY_SECONDS = 3_600

app = Celery("configsite")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # If Redis refuses commands for a while (a replica after a failover, no memory), a connection ends, not the worker.
    broker_channel_error_retry=True,
    # Separate from the configuration's own keys, so that emptying one leaves the other.
    broker_transport_options={"global_keyprefix": f"{settings.REDIS_KEY_PREFIX}:celery:"},
    task_ignore_result=True,
    # There is no remote control, and the Procfile disables contact with other workers: no Redis channel is needed.
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    beat_scheduler="configsite.clock:Clock",
    beat_schedule={
        "reconcile": {
            "task": "strategy_config.tasks.reconcile",
            "schedule": RECONCILE_SECONDS,
            "options": {"expires": RECONCILE_SECONDS},
        },
        "rewrite": {
            "task": "strategy_config.tasks.rewrite",
            "schedule": settings.CONFIG_CACHE_TTL_SECONDS,
            "options": {"expires": settings.CONFIG_CACHE_TTL_SECONDS},
        },
        "verify_audit": {
            "task": "strategy_config.tasks.verify_audit",
            "schedule": VERIFY_SECONDS,
            "options": {"expires": VERIFY_SECONDS},
        },
    },
)
app.autodiscover_tasks(["strategy_config"])


@worker_init.connect
def _trace(**kwargs: Any) -> None:
    tracing.start(settings.PROCESS_ENVIRONMENT, service="realtime-strategies-worker")
    environment_log.log_environment()


@worker_ready.connect
def _begin(**kwargs: Any) -> None:
    """Catch up, and check the history: a worker that restarts more than once an hour would never get to it."""
    app.send_task("strategy_config.tasks.reconcile")
    app.send_task("strategy_config.tasks.verify_audit", expires=VERIFY_SECONDS)


@worker_ready.connect
def _watch_clock(sender: Any, **kwargs: Any) -> None:
    if sender.controller.beat is not None:
        clock.watch(sender.controller.beat)


@worker_ready.connect
def _show_metrics(**kwargs: Any) -> None:
    """Runs when the consumer starts: Celery beat's process has been forked by then, and does not hold the port."""
    if settings.WORKER_METRICS_PORT:
        worker_metrics.serve(settings.WORKER_METRICS_PORT)
