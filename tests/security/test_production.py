"""The production settings: what stops the start, and what a browser is told."""

import json
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.test import Client

from configsite.content_policy import API_POLICY
from realtime_runtime.command_line import main
from tests.conftest import PROJECT_ROOT
from tests.settings_reader import read_settings

KEY = "".join(chr(33 + 7 * number % 94) for number in range(60))
BASE = PROJECT_ROOT / "var" / "db.sqlite3"


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """An environment that production starts in."""
    return {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "configsite.settings.production",
        "SECRET_KEY": KEY,
        "ALLOWED_HOSTS": "example.org",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True)


def test_check_deploy__with_production_settings__has_nothing_to_say(production: dict[str, str]) -> None:
    checked = run(production, "manage.py", "check", "--deploy", "--fail-level", "DEBUG")
    assert (checked.returncode, checked.stdout) == (0, "System check identified no issues (0 silenced).\n")


REFUSED = [
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "for development only, never in production"),
    ("SECRET_KEY", "x" * 60),
    ("ALLOWED_HOSTS", ""),
    ("ALLOWED_HOSTS", "example.org,*"),
    ("REDIS_URL", ""),
    ("DATABASE_URL", ""),
    ("DATABASE_URL", f"sqlite:///{BASE}"),
    ("DATABASE_URL", "sqlite:///var/other/../db.sqlite3"),
    ("DEBUG", "true"),
    ("REDIS_CA_FILE", "/nowhere/ca.pem"),
    ("SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto"),
]


@pytest.mark.parametrize(("variable", "value"), REFUSED)
def test_site__on_an_embedded_default__does_not_start_and_names_it(
    production: dict[str, str], variable: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=variable) as refusal:
        read_settings("production", {**production, variable: value})
    assert KEY not in "".join(traceback.format_exception(refusal.value))


def test_site__that_is_refused__ends_with_the_reason(production: dict[str, str]) -> None:
    started = run({**production, "ALLOWED_HOSTS": "*"}, "-c", "import django; django.setup()")
    assert started.returncode != 0
    assert "ALLOWED_HOSTS" in started.stderr.splitlines()[-1]
    assert KEY not in started.stderr


@pytest.mark.parametrize("missing", ["REDIS_URL", "NATS_URL"])
def test_runtime__in_production__does_not_start_on_an_embedded_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    for name, value in {"ENVIRONMENT": "production", "REDIS_URL": "redis://r:1/0", "NATS_URL": "nats://n:1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    assert (main(["run"]), capsys.readouterr().err.split()[0]) == (2, missing)


_ASK = """
import json, django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client(headers={"host": "example.org"})
found = {}
for name, path, headers in json.loads(%r):
    answer = client.get(path, headers=headers)
    cookies = [cookie.OutputString() for cookie in answer.cookies.values()]
    found[name] = [answer.status_code, dict(answer.headers), cookies]
print(json.dumps(found))
"""


def test_browsers__in_production__are_told_everything(production: dict[str, str]) -> None:
    tls = {"X-Forwarded-Proto": "https"}
    asked = [
        ("plain page", "/admin/login/", {}),
        ("plain api", "/api/v1/strategies", {}),
        ("plain probe", "/healthz", {}),
        ("page", "/admin/login/", tls),
    ]
    found = json.loads(run(production, "-c", _ASK % json.dumps(asked)).stdout.splitlines()[-1])
    assert (found["plain page"][0], found["plain page"][1]["Location"]) == (301, "https://example.org/admin/login/")
    assert (found["plain api"][0], found["plain probe"][0]) == (401, 200)
    status, headers, cookies = found["page"]
    assert status == 200
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    (cookie,) = cookies
    assert cookie.startswith("csrftoken=")
    assert {"HttpOnly", "Secure", "SameSite=Strict"} <= set(cookie.split("; "))


def policy_of(path: str) -> dict[str, list[str]]:
    header = Client(raise_request_exception=False).get(path).headers["Content-Security-Policy"]
    return {name: sources for name, *sources in (directive.split() for directive in header.split(";"))}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/", "/healthz", "/nowhere"])
def test_content_policy__of_every_page__runs_no_inline_script_and_loads_nothing_from_elsewhere(path: str) -> None:
    policy = policy_of(path)
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == policy["connect-src"] == ["'self'"]
    evaluates = path.startswith("/admin/")
    assert policy["script-src"] == (["'self'", "'unsafe-eval'"] if evaluates else ["'self'"])


@pytest.mark.django_db
def test_content_policy__of_the_api__allows_nothing() -> None:
    assert policy_of("/api/v1/strategies") == {name: list(sources) for name, sources in API_POLICY.items()}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/"])
def test_page__as_sent__has_no_inline_script_and_no_address_elsewhere(path: str) -> None:
    text = Client().get(path).content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", text) == []
    assert re.findall(r"\son[a-z]+\s*=\s*[\"']", text) == []
    assert re.findall(r"(?:src|href)=[\"'](?:https?:)?//", text) == []


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["short", "password1234", "123456789012", "janedoe-example"])
def test_password__easy_to_guess__is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, user=User(username="janedoe-example"))
