"""The runtime's command line: ``python -m realtime_runtime run`` and ``… feed``."""

import argparse
import os
import sys

from realtime_runtime import app, settings
from realtime_runtime.feeds import cli as feeds
from service_kit import logs, shutdown, tracing
from service_kit.environment import SettingsError

CONFIGURATION_ERROR = 2

EXAMPLES = """
examples:
  python -m realtime_runtime run
      trade on the market data from NATS; all settings are environment variables (.env.example lists them)
  TRADING_SYMBOLS=BTCUSDT,ETHUSDT LOG_FORMAT=console python -m realtime_runtime run
      only two symbols, with logs for people
  python -m realtime_runtime feed replay market/spot-20240808.jsonl.gz --speed max
      publish recorded market data, as fast as the runtime takes it
  python -m realtime_runtime feed simulate
      publish a simulated market, labelled as such
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 ended in good order, 1 failed, 2 wrong usage or configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m realtime_runtime",
        description="The asyncio side of the trading strategies.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="trade on the market data that comes over NATS")
    feeds.add_arguments(commands)
    chosen = parser.parse_args(arguments)
    return feeds.run(chosen, os.environ) if chosen.command == "feed" else _run()


def _run() -> int:
    try:
        configured = settings.read(os.environ, default_log_format="console" if sys.stdout.isatty() else "json")
    except SettingsError as exception:
        for name, message in exception.problems.items():
            print(f"{name} {message}", file=sys.stderr)
        return CONFIGURATION_ERROR
    logs.configure(level=configured.log_level, log_format=configured.log_format, stream=sys.stdout)
    tracing.start(os.environ, service="realtime-strategies-runtime", instance=configured.instance_id)
    return shutdown.run(app.run(configured))
