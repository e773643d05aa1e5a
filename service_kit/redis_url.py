"""How both sides name their Redis where it speaks TLS. Pure."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def trusting(url: str, ca_file: str) -> str:
    """``url`` with the certificate check spelled out where it is ``rediss://``; any other URL as it is.

    ``ca_file`` holds the certificates that are trusted; "": those of the machine. What the URL says itself stands.
    Celery's transport speaks TLS only where the URL names the check.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    query = dict(parse_qsl(parts.query))
    query.setdefault("ssl_cert_reqs", "required")
    if ca_file:
        query.setdefault("ssl_ca_certs", ca_file)
    return urlunsplit(parts._replace(query=urlencode(query)))
