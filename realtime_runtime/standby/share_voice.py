"""The holder of a share answers for it on NATS, and its standbys listen to the signals that it sends."""

from collections.abc import Callable, Iterable

import msgspec
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from realtime_runtime.standby.share import Holder, Silence
from strategy_core.market.decoding import UNREADABLE

ANSWER_SECONDS = 0.5
FLUSH_SECONDS = 2

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Holder).decode


class NatsVoice:
    """Asks and answers on one subject a share."""

    def __init__(self, client: Client, subject: str) -> None:
        self._client = client
        self._subject = subject
        self._holder: Holder | None = None
        self._subscription: Subscription | None = None

    async def ask(self, own_token: str) -> Holder | Silence:
        if not self._client.is_connected:
            return Silence.UNREACHABLE
        try:
            reply = await self._client.request(self._subject, own_token.encode(), timeout=ANSWER_SECONDS)
            return _decode(reply.data)
        except errors.NoRespondersError:
            return Silence.NOBODY
        except UNREADABLE:
            return Silence.NO_ANSWER
        except TimeoutError:
            return Silence.NO_ANSWER
        except (errors.Error, OSError):
            return Silence.UNREACHABLE

    async def answer_as(self, holder: Holder | None) -> None:
        self._holder = holder
        subscription, self._subscription = self._subscription, None
        try:
            if subscription is not None:
                await subscription.unsubscribe()
            if holder is not None:
                self._subscription = await self._client.subscribe(self._subject, cb=self._answer)
                await self._client.flush(FLUSH_SECONDS)
        except (errors.Error, OSError, TimeoutError):
            # The connection is lost: nobody can be answered, and nothing can be published either.
            return

    async def _answer(self, message: Msg) -> None:
        holder = self._holder
        if holder is None or not message.reply or message.data == holder.token.encode():
            return
        await self._client.publish(message.reply, _encode(holder))


class SignalListener:
    """Hands over the signals that other runtimes send, while it listens."""

    def __init__(self, client: Client, topics: Iterable[str], note: Callable[[bytes], None]) -> None:
        self._client = client
        self._topics = tuple(topics)
        self._note = note
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Listen; raises nats-py's errors where there is no connection."""
        if not self._subscriptions:
            for topic in self._topics:
                self._subscriptions.append(await self._client.subscribe(f"{topic}.>", cb=self._take))

    async def stop(self) -> None:
        """Listen no more."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            try:
                await subscription.unsubscribe()
            except (errors.Error, OSError):
                continue

    async def _take(self, message: Msg) -> None:
        self._note(message.data)
