"""The URL of Redis with TLS, for site and runtime. Pure."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def trusting(url: str, ca_file: str) -> str:
    """``url`` with an explicit certificate check if it is ``rediss://``; any other URL unchanged.

    ``ca_file`` holds the certificates that are trusted; "": those of the machine. Parameters in the URL take
    precedence. Celery's transport uses TLS only if the URL names the check.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    query = dict(parse_qsl(parts.query))
    query.setdefault("ssl_cert_reqs", "required")
    if ca_file:
        query.setdefault("ssl_ca_certs", ca_file)
    return urlunsplit(parts._replace(query=urlencode(query)))
