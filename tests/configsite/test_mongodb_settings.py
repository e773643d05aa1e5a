"""The settings of the MongoDB store: what a start needs, what it must not show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from configsite.settings import mongodb
from tests.settings_reader import read_settings

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://planted-secret@host/name",
        "mongodb://",
        "mongodb://user:planted-secret:x@host/",
        "mongodb://user:planted-secret@host:port/",
        "mongodb://user:planted-secret@host/?noSuchOption=1&ssl=perhaps",
    ],
)
def test_connection__of_a_bad_uri__is_refused_by_name_without_the_uri(uri: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_settings("base", {"SECRET_KEY": "of a test", "MONGODB_URI": uri})
    assert str(refusal.value) == "MONGODB_URI is not a MongoDB connection string."


def test_connection__bounds_every_wait_and_asks_for_majorities() -> None:
    found = mongodb.connection("mongodb://u:p@a,b/?replicaSet=r", name="petrosa", timeout_ms=700)
    options = found["OPTIONS"]
    assert found["NAME"] == "petrosa"
    assert {options[name] for name in options if name.endswith("MS")} == {700}
    assert (options["w"], options["readConcernLevel"], options["readPreference"]) == ("majority", "majority", "primary")


def test_start__with_a_mongodb_that_is_away__needs_no_answer_from_it() -> None:
    """Workers come up during an outage, and every model is one that MongoDB can hold (system checks)."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
        "SECRET_KEY": "of a test",
        "MONGODB_URI": "mongodb://127.0.0.1:1/",
    }
    command = [sys.executable, "-c", "import django; django.setup(); from django.core.checks import run_checks;"]
    command[-1] += "from django.conf import settings as s; print(s.DATABASES['default']['ENGINE'], run_checks())"
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", "django_mongodb_backend []\n")
