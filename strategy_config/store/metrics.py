"""What the site measures of its own work, for Prometheus. Every label is one of a few words."""

from prometheus_client import Counter, Histogram

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

store_calls = Histogram(
    "configsite_store_call_seconds",
    "Calls to the store, a whole transaction being one: ok, refused (by the store or by a rule of ours), unavailable.",
    ["kind", "outcome"],
    buckets=BOUNDS,
)
redis_calls = Histogram(
    "configsite_redis_call_seconds",
    "Round trips to Redis: ok, failed. Calls that are not made because Redis has just failed are not counted.",
    ["outcome"],
    buckets=BOUNDS,
)
publications = Histogram(
    "configsite_publication_seconds",
    "Telling Redis of a commit: published, postponed (it will be told later).",
    ["outcome"],
    buckets=BOUNDS,
)
item_failures = Counter(
    "configsite_item_failures",
    "Items that failed by themselves while the others were done: an expiry, a document, a publication, a task's step.",
    ["work"],
)
for _work in ("expiry", "document", "publication", "task_step"):
    # From the start on, so that Prometheus sees the first failure as a rise.
    item_failures.labels(_work)
changes = Counter("configsite_changes", "Accepted changes.", ["action", "channel"])
config_reads = Counter("configsite_config_reads", "Configs served, by where they came from: cache, store.", ["source"])
