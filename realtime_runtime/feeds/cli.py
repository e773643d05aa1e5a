"""The command line of the feeds: ``python -m realtime_runtime feed …``."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from realtime_runtime.feeds.live import live_settings, process
from realtime_runtime.feeds.replay.playback import ReplayOptions, Totals, replay
from realtime_runtime.feeds.report import say
from realtime_runtime.feeds.simulated.simulate import SimulateOptions, simulate
from realtime_runtime.settings import NATS_CONSUMER_TOPIC, NATS_URL, with_log_format
from service_kit import logs, shutdown, tracing
from service_kit.environment import ConsumerTopic, NatsFiles, NatsUrl, SettingsError, consumer_topic, nats_server_url

EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
END_SECONDS = 9.0

_EXAMPLES = """examples:
  python -m realtime_runtime feed simulate
  TRADING_SYMBOLS=BTCUSDT,ETHUSDT FEED_SOURCES=binance,dominance python -m realtime_runtime feed live
  python -m realtime_runtime feed replay recording.jsonl.gz --speed max
  python -m realtime_runtime feed replay monday.jsonl.zst tuesday.jsonl.zst --speed 10 --loop
"""


class Destination(NatsFiles):
    """Where a feed publishes to."""

    nats_url: NatsUrl = Field(NATS_URL, validation_alias="NATS_URL", repr=False)
    topic: ConsumerTopic = Field(NATS_CONSUMER_TOPIC, validation_alias="NATS_CONSUMER_TOPIC")


def add_arguments(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``feed`` with its kinds. The parsed arguments go to `run`."""
    feed = subparsers.add_parser(
        "feed",
        help="publish market data to NATS",
        description="Publish market data to NATS.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = feed.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_replay(kinds)
    _add_simulate(kinds)
    kinds.add_parser(
        "live",
        help="the markets as they are: Binance, other exchanges, dominance, on-chain activity",
        description="Publish live market data; the environment says which (.env.example, 'The live feed').",
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the feed; returns the exit code: 0, 1 (something is missing), 2 (usage), 130 (interrupted)."""
    if arguments.kind == "live":
        return _run_live(environ)
    given = {"NATS_URL": arguments.nats_url, "NATS_CONSUMER_TOPIC": arguments.topic}
    try:
        destination = Destination.from_environ({**environ, **{name: text for name, text in given.items() if text}})
    except SettingsError as exception:
        say(str(exception))
        return EXIT_USAGE
    if arguments.kind == "simulate":
        options = SimulateOptions(
            nats_url=destination.nats_url,
            nats_access=destination.nats_access,
            topic=destination.topic,
            seed=arguments.seed,
            rate=arguments.rate,
            speed=arguments.speed,
        )
        shutdown.run(_until_stopped(simulate(options)))
        return 0
    return _run_replay(arguments, destination)


def _run_live(environ: Mapping[str, str]) -> int:
    try:
        configured = live_settings.read(with_log_format(environ, "console" if sys.stdout.isatty() else "json"))
    except SettingsError as exception:
        for name, message in exception.problems.items():
            say(f"{name} {message}")
        return EXIT_USAGE
    logs.configure(level=configured.feed.log_level, log_format=configured.feed.log_format, stream=sys.stdout)
    tracing.start(environ, service="realtime-strategies-feed")
    return shutdown.run(process.run(configured))


def _run_replay(arguments: argparse.Namespace, destination: Destination) -> int:
    for path in arguments.files:
        if problem := _problem_with(path):
            say(f"feed replay: {path}: {problem}")
            return EXIT_USAGE
    totals = Totals()
    options = ReplayOptions(
        files=tuple(arguments.files),
        nats_url=destination.nats_url,
        nats_access=destination.nats_access,
        topic=destination.topic,
        speed=arguments.speed,
        is_loop=arguments.loop,
        replicas=arguments.replicas,
    )

    is_replayed = False

    async def work() -> None:
        nonlocal is_replayed
        try:
            await replay(options, totals)
            is_replayed = True
        finally:
            print(totals, flush=True)
        if arguments.stay:
            say("feed replay: waiting to be stopped")
            await asyncio.Event().wait()

    shutdown.run(_until_stopped(work()))
    if not is_replayed:
        return EXIT_INTERRUPTED
    return 0 if totals.is_complete else EXIT_INCOMPLETE


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, or SIGINT or SIGTERM cancels it."""
    task = asyncio.create_task(work, name="feed")
    shutdown.on_signals(lambda _: task.cancel(), within_seconds=END_SECONDS)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _add_replay(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "replay",
        help="replay recorded messages (.jsonl, .jsonl.gz, .jsonl.zst)",
        description="Replay recorded messages: one {stream, data, ts} a line, plain, gzip or zstd.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--speed",
        type=_speed_or_max,
        default=1.0,
        help="multiple of event time, or max: as fast as the runtimes process, without losing anything (default 1)",
    )
    parser.add_argument("--loop", action="store_true", help="start again at the end, with event times that go on")
    parser.add_argument("--stay", action="store_true", help="do not end after the last message (for make run)")
    parser.add_argument("--replicas", type=_positive, default=1, help="runtimes to wait for (default 1)")
    _add_destination(parser)


def _add_simulate(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "simulate",
        help="a made-up market of six symbols in which every strategy finds its case within 3 minutes",
        description="Publish a made-up market of six symbols; every message says that it is simulated.",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same market (default 1)")
    parser.add_argument("--rate", type=_rate, default=10, help="books a second and symbol, 1 to 500 (default 10)")
    parser.add_argument("--speed", type=_speed, default=1.0, help="multiple of the clock (default 1)")
    _add_destination(parser)


def _add_destination(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nats-url",
        type=_argument(nats_server_url),
        metavar="URL",
        help=f"default: NATS_URL, else {NATS_URL}",
    )
    parser.add_argument(
        "--topic",
        type=_argument(consumer_topic),
        metavar="SUBJECT",
        help=f"default: NATS_CONSUMER_TOPIC, else {NATS_CONSUMER_TOPIC}; ending in .> it is one subject a symbol",
    )


def _argument(parse: Callable[[str], str]) -> Callable[[str], str]:
    """The same as an argument, so that argparse repeats what is wrong with it."""

    def parse_argument(text: str) -> str:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_argument


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 1000:
        raise argparse.ArgumentTypeError(f"must be a number between 0.01 and 1000, not {text!r}")
    return speed


def _speed_or_max(text: str) -> float | None:
    return None if text == "max" else _speed(text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _rate(text: str) -> int:
    rate = _positive(text)
    if rate > 500:
        raise argparse.ArgumentTypeError(f"must be at most 500, not {text!r}")
    return rate


def _problem_with(path: Path) -> str:
    """Why the file cannot be replayed; empty where it can."""
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)
