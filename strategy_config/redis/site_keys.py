"""The keys of Redis that the site alone uses, beside those that it shares with the runtimes."""

from strategy_core.configuration.redis_keys import Keys


class SiteKeys(Keys):
    """The names of everything under one prefix."""

    @property
    def identities(self) -> str:
        """A counter that rises whenever a token, user or group changes: cached identities end with it."""
        return f"{self.prefix}:identities"

    def rate(self, bucket: str) -> str:
        """How much one caller may still ask for: see the site's rate limits."""
        return f"{self.prefix}:rate:{bucket}"

    def login(self, counter: str) -> str:
        """Attempts to log in, counted by user and address, and by address."""
        return f"{self.prefix}:login:{counter}"
