"""A process that writes: ``python -m tests.strategy_config.writer SYMBOL COUNT``; prints its versions as JSON."""

import json
import sys
from datetime import UTC, datetime

import django

django.setup()

from strategy_config.history.origins import Origin  # noqa: E402  (needs the set-up)
from strategy_config.services import layers  # noqa: E402  (as above)


def main() -> None:
    symbol, count = sys.argv[1], int(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    versions = []
    for number in range(count):
        origin = Origin("writer", "writer", "api", "", at=datetime.now(UTC))
        parameters = {"top_levels": number % 20 + 1}
        written = layers.set_layer(
            strategy_id="orderbook_skew", symbol=symbol, parameters=parameters, origin=origin, is_forced=True
        )
        versions.append(written.version)
    print(json.dumps(versions))


main()
