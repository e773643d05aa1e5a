"""What the runtime makes of a change, as part of the trace in which the site published it."""

from contextlib import AbstractContextManager

from service_kit import tracing
from strategy_core.configuration import change_stream


def span(name: str, change: change_stream.Change | None) -> AbstractContextManager[None]:
    """A span that is caused by, and linked to, the publication of the change; of its own where there is none."""
    if change is None:
        return tracing.span(name, kind="consumer")
    known = {"strategy_id": change.strategy_id, "symbol": change.symbol, "request_id": change.request_id}
    attributes = {name: value for name, value in known.items() if value is not None}
    parent, sequence = change.traceparent, {"config.sequence": change.sequence}
    return tracing.span(name, kind="consumer", parent=parent, attributes={**attributes, **sequence})
