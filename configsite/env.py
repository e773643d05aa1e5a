"""The only reader of the environment on the site. A missing or unparsable value stops the start by its name."""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)


def everything() -> Mapping[str, str]:
    """The whole environment, for the strategies' own variables, which ``layers.read_environment`` reads."""
    return os.environ


def is_set(name: str) -> bool:
    """Whether the variable has a value. An empty one counts as not set, everywhere."""
    return bool(os.environ.get(name, "").strip())


def text(name: str, default: str | None = None) -> str:
    """The variable's text; without a default the variable is required."""
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise ImproperlyConfigured(f"{name} must be set.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """true/false, yes/no, on/off, 1/0 in any case."""
    value = text(name, str(default)).lower()
    if value not in _SWITCHES:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return _SWITCHES[value]


def integer(name: str, *, default: int, minimum: int) -> int:
    """A whole number, at least ``minimum``."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}.")
    return number


def choice(name: str, *choices: str, default: str) -> str:
    """One of ``choices``, in any case; answers it as written there."""
    value = text(name, default)
    for allowed in choices:
        if value.lower() == allowed.lower():
            return allowed
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")


def items(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks and empty items dropped."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def file(name: str) -> str:
    """The path of a file that this process can read, "" where the variable has no value."""
    path = text(name, "")
    if path and not os.access(path, os.R_OK):
        raise ImproperlyConfigured(f"{name} must be a file that this process can read.")
    return path


def header(name: str, default: str) -> tuple[str, str] | None:
    """``Header-Name=value`` as Django names it: ("HTTP_HEADER_NAME", "value"); ``none``: no header."""
    given = text(name, default)
    if given.lower() == "none":
        return None
    key, separator, value = given.partition("=")
    if not separator or not key.strip() or not value.strip():
        raise ImproperlyConfigured(f"{name} must be Header-Name=value or none, not {given!r}.")
    return f"HTTP_{key.strip().upper().replace('-', '_')}", value.strip()


def header_names(name: str) -> tuple[str, ...]:
    """A comma-separated list of headers, each as WSGI names it: ``X-My-Token`` is "HTTP_X_MY_TOKEN"."""
    found = []
    for item in items(name):
        if _HEADER.fullmatch(item) is None:
            raise ImproperlyConfigured(f"{name} must be a list of header names, and {item!r} is none.")
        found.append(f"HTTP_{item.upper().replace('-', '_')}")
    return tuple(found)


class Grant(NamedTuple):
    """A right granted to every caller from a network, or (None) from anywhere."""

    right: str
    network: IPv4Network | IPv6Network | None

    def __str__(self) -> str:
        return self.right if self.network is None else f"{self.right}@{self.network}"


def grants(name: str, *rights: str) -> tuple[Grant, ...]:
    """``none``, or a comma-separated list of ``right`` and ``right@network``, such as ``read, stop@10.1.0.0/16``."""
    given = items(name)
    if [item.lower() for item in given] in ([], ["none"]):
        return ()
    found = []
    for item in given:
        right, separator, network = (part.strip() for part in item.partition("@"))
        if right.lower() not in rights:
            known = ", ".join(rights)
            raise ImproperlyConfigured(f"{name} must be none, or a list of {known}, each with @network; not {item!r}.")
        try:
            found.append(Grant(right.lower(), ip_network(network) if separator else None))
        except ValueError as exception:
            raise ImproperlyConfigured(f"{name}: {item!r} names no network like 10.0.0.0/8: {exception}.") from None
    return tuple(found)


def pairs(name: str) -> dict[str, str]:
    """A comma-separated list of ``key=value``."""
    found = {}
    for item in items(name):
        key, separator, value = item.partition("=")
        if not separator or not key.strip() or not value.strip():
            # The values are addresses, which may hold passwords.
            raise ImproperlyConfigured(f"{name} must be a list of name=value.")
        found[key.strip()] = value.strip()
    return found
