"""Guessing passwords: refused past the limit, in words, and without locking others out."""

import re
from collections.abc import Iterator

import httpx
import pytest

from embedded.servers import Valkey
from tests.live_site import LiveSite
from tests.plain_http import NO_ROOTS
from tests.security.conftest import at_the_start, guarded_site

LIMITS = {"LOGIN_FAILURES_PER_USER": "3", "LOGIN_FAILURES_PER_ADDRESS": "8", "TRUSTED_PROXIES": "1"}


@pytest.fixture(scope="module")
def running_site(
    prepared_site: LiveSite, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    yield from guarded_site(tmp_path_factory, prepared_site, own_valkey, LIMITS)


@pytest.fixture
def site(running_site: LiveSite, own_valkey: Valkey) -> LiveSite:
    """The site, where nobody has tried to log in."""
    return at_the_start(running_site, own_valkey)


def log_in(site: LiveSite, username: str, password: str, address: str = "192.0.2.1") -> httpx.Response:
    headers = {"X-Forwarded-For": address, "Referer": site.url}
    with httpx.Client(base_url=site.url, headers=headers, timeout=60, verify=NO_ROOTS) as client:
        form = client.get("/admin/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        fields = {"username": username, "password": password, "csrfmiddlewaretoken": token[1]}
        return client.post("/admin/login/", data=fields)


def test_login__guessed_too_often__is_locked_with_a_page_that_says_so(site: LiveSite) -> None:
    assert [log_in(site, "admin", f"guess {number}").status_code for number in range(3)] == [200, 200, 200]
    locked = log_in(site, "admin", "admin")
    assert locked.status_code == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 900
    assert "Too many login attempts" in locked.text
    assert "Try again in 15 minutes" in locked.text
    assert "sessionid" not in locked.cookies


@pytest.mark.parametrize("username", ["ADMIN", "ａｄｍｉｎ"])
def test_login__locked__is_locked_in_every_spelling(site: LiveSite, username: str) -> None:
    for number in range(3):
        log_in(site, "admin", f"guess {number}")
    assert log_in(site, username, "admin").status_code == 429


def test_login__of_others_and_from_elsewhere__goes_on(site: LiveSite) -> None:
    for number in range(3):
        log_in(site, "admin", f"guess {number}")
    assert log_in(site, "admin", "admin", address="192.0.2.2").status_code == 302
    assert "Wrong username or password" in log_in(site, "viewer", "wrong").text


def test_login__one_password_on_many_users__is_locked_by_address(site: LiveSite) -> None:
    statuses = [log_in(site, f"user{number}", "Summer2026!").status_code for number in range(9)]
    assert statuses == [200] * 8 + [429]


def test_login__that_holds__ends_the_count(site: LiveSite) -> None:
    for _ in range(4):
        assert log_in(site, "admin", "wrong").status_code == 200
        assert log_in(site, "admin", "admin").status_code == 302


def test_login__without_redis__goes_on_uncounted(site: LiveSite, own_valkey: Valkey) -> None:
    own_valkey.kill()
    for number in range(4):
        log_in(site, "admin", f"guess {number}")
    assert log_in(site, "admin", "admin").status_code == 302
    assert "login.uncounted" in site.log_path.read_text()


def test_login__too_large_a_form__is_refused_before_it_is_read(site: LiveSite) -> None:
    files = {"avatar": ("x", b"x" * (1024 * 1024 + 1))}
    assert httpx.post(f"{site.url}/admin/login/", files=files, timeout=60, verify=NO_ROOTS).status_code == 413
    with httpx.Client(base_url=site.url, timeout=60, verify=NO_ROOTS) as client:
        client.get("/admin/login/")
        assert client.post("/admin/login/", data={"username": "x" * 70_000}).status_code == 413
