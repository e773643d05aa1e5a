"""For httpx and servers of our own, which speak plain HTTP."""

import ssl

# Trusts nobody. Without it every client, and every `httpx.get`, reads all root certificates: 60 ms of a processor.
NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
