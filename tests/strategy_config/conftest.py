"""Redis of a test: a real Valkey under a prefix of its own."""

from dataclasses import dataclass

import pytest
import redis
from pytest_django import Settings

from embedded.servers import Valkey
from strategy_config.redis.site_keys import SiteKeys
from strategy_core.configuration import change_stream, redis_keys, wire_documents


@dataclass(frozen=True)
class CacheUnderTest:
    """A look into Redis from outside the site."""

    client: redis.Redis
    keys: SiteKeys

    def sequence(self) -> int | None:
        found = self.client.get(self.keys.sequence)
        return None if found is None else int(found)

    def fields(self) -> set[str]:
        return {field.decode() for field in self.client.hkeys(self.keys.config)}

    def document(self, field: str) -> wire_documents.Document:
        return wire_documents.decode_document(self.client.hget(self.keys.config, field))

    def entries(self) -> list[tuple[str, change_stream.Change]]:
        return [
            (entry_id.decode(), change_stream.decode_change(entry[redis_keys.STREAM_FIELD.encode()]))
            for entry_id, entry in self.client.xrange(self.keys.changes)
        ]

    def published(self) -> list[int]:
        """The sequences of the changes in the stream, in its order, those of a set among them."""
        return [
            sequence
            for _, change in self.entries()
            if change.kind == "change"
            for sequence in range(change.first_sequence or change.sequence, change.sequence + 1)
        ]

    def forget(self) -> None:
        """Lose everything, like a server that lost its memory."""
        if found := self.client.keys(f"{self.keys.prefix}:*"):
            self.client.delete(*found)


def look_into(server: Valkey, prefix: str) -> CacheUnderTest:
    return CacheUnderTest(redis.Redis.from_url(server.url), SiteKeys(prefix))


@pytest.fixture
def cache(valkey: Valkey, redis_prefix: str, settings: Settings) -> CacheUnderTest:
    """The site publishes to the session's Valkey."""
    settings.REDIS_URL = valkey.url
    settings.REDIS_KEY_PREFIX = redis_prefix
    return look_into(valkey, redis_prefix)


@pytest.fixture
def own_cache(fresh_valkey: Valkey, redis_prefix: str, settings: Settings) -> CacheUnderTest:
    """The site publishes to a Valkey that this test may stop and start (fixture `fresh_valkey`)."""
    settings.REDIS_URL = fresh_valkey.url
    settings.REDIS_KEY_PREFIX = redis_prefix
    return look_into(fresh_valkey, redis_prefix)
