"""A PostgreSQL for one command: there while it runs, gone afterwards, and never in place of one that was named."""

import os
import subprocess
import sys

import psycopg
import pytest

from embedded import postgresql
from embedded.servers import ServerError
from tests.conftest import PROJECT_ROOT

ASK = """
import os, psycopg
url = os.environ["POSTGRES_TEST_URL"]
with psycopg.connect(url, autocommit=True) as connection:
    connection.execute("CREATE DATABASE another")
print(url)
raise SystemExit(7)
"""


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "POSTGRES_TEST_URL"}
    command = [sys.executable, "-m", "embedded.postgresql", sys.executable, "-c"]
    script = "import os; print(os.environ['POSTGRES_TEST_URL'])" if environ else ASK
    return subprocess.run([*command, script], cwd=PROJECT_ROOT, env=kept | environ, capture_output=True, text=True)


def test_command__without_a_server__has_one_while_it_runs() -> None:
    try:
        postgresql.binary("initdb")
    except ServerError as error:
        pytest.skip(str(error))
    done = run()
    assert done.returncode == 7, done.stderr
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(done.stdout.strip())


def test_command__with_a_server__has_that() -> None:
    assert run(POSTGRES_TEST_URL="postgresql://elsewhere/name").stdout == "postgresql://elsewhere/name\n"
