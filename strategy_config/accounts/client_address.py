"""Where a request comes from, for limits and lockouts: never a name that the caller may choose freely."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings

UNKNOWN = "unknown"
IPV6_PREFIX = 64


def client_address(environ: Mapping[str, Any]) -> str:
    """The caller's address, of IPv6 its /64 network (what one customer is given); "unknown" where there is none."""
    address = client_ip(environ)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address.packed, IPV6_PREFIX), strict=False))


def client_ip(environ: Mapping[str, Any]) -> IPv4Address | IPv6Address | None:
    """The caller's address; None where there is none.

    Behind ``settings.TRUSTED_PROXIES`` proxies it is the entry of X-Forwarded-For that the outermost of them wrote;
    with 0 of them the header is not looked at, because then anybody can write it.
    """
    text = environ.get("REMOTE_ADDR") or ""
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        text = hops[-min(settings.TRUSTED_PROXIES, len(hops))] if hops else text
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
