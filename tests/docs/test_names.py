"""What the documents name is there: commands, targets, variables, files."""

import re
import subprocess

import pytest
import yaml
from django.core.management import get_commands

from strategy_core.configuration.unread import OF_THE_ORIGINAL
from strategy_core.strategies.registry import STRATEGIES
from tests.conftest import PROJECT_ROOT
from tests.docs.blocks import DOCUMENTS, Block, blocks, shell_blocks, text_of
from tests.embedded.test_env_example import listed

SHELL = [block for document in DOCUMENTS for block in shell_blocks(document)]
MANAGE = re.compile(r"(?:manage\.py|web manage) ([a-z_]+)(?=[\s`])")
MAKE = re.compile(r"(?:`|^\s*|&& )make ([a-z-]+)(?=[\s`])", re.MULTILINE)
MODULE = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
# Written as code: NAME, NAME=value; constants of the API and of the programs used are told apart by the underscore.
VARIABLE = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`")
ASSIGNED = re.compile(r"(?:^|[\s;])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)=", re.MULTILINE)
PATH = re.compile(
    r"(?<![\w/.$:-])((?:docs|k8s|tests|benchmarks|realtime_runtime|strategy_config|strategy_core|service_kit|configsite)/[\w./-]*\w)"
)
METRIC = re.compile(r"`(realtime_runtime_[a-z_]+|http_[a-z_]+)")
METRICS = ("realtime_runtime/metrics.py", "configsite/metrics.py")
LINK = re.compile(r"\]\(([\w./-]+)(?:#[\w-]*)?\)")
# Not settings of ours: placeholders, variables of the shell, codes of the API, of the tests' own, of other programs.
OTHERS = {
    "STORE_UNAVAILABLE", "NEW_PASSWORD", "OLD_PASSWORD", "MONGODB_TEST_URI", "MARKET_DATA_DIR", "POSTGRES_TEST_URL",
    "FAULT_INPUTS_DIR",
    "LEGACY_DATABASE", "FUZZ_EXAMPLES", "SOAK_SECONDS", "NOT_FOUND", "INTERNAL_ERROR", "DELETE_FAILED",
    "ROLLBACK_FAILED", "OTEL_SDK_DISABLED",
}  # fmt: skip


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell_block__of_a_document__is_shell(block: Block) -> None:
    done = subprocess.run(["/bin/bash", "-n"], input=block.text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_blocks__of_all_documents__say_what_they_are() -> None:
    assert {block.info for document in DOCUMENTS for block in blocks(document)} <= {
        "sh",
        "sh run",
        "json",
        "conf",
        "yaml",
        "",
    }
    assert any(block.info == "sh run" for block in SHELL)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands__that_a_document_names__are_there(document: str) -> None:
    text = text_of(document)
    targets = re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(MANAGE.findall(text)) <= get_commands().keys()
    assert set(MAKE.findall(text)) <= set(targets)
    for module in set(MODULE.findall(text)):
        path = PROJECT_ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.parametrize("document", DOCUMENTS)
def test_variables__that_a_document_names__are_read_somewhere(document: str) -> None:
    text = text_of(document)
    in_shell = {name for block in shell_blocks(document) for name in ASSIGNED.findall(block.text)}
    legacy = {name for strategy in STRATEGIES.values() for spec in strategy.specs() for name in spec.environment}
    assert {*VARIABLE.findall(text), *in_shell} - OTHERS - legacy - listed().keys() <= OF_THE_ORIGINAL.keys()


def test_migration__of_variables_that_nothing_reads__names_them_all() -> None:
    text = text_of("docs/MIGRATION.md")
    assert [name for name in OF_THE_ORIGINAL if f"`{name}`" not in text] == []


def test_migration__of_metric_names__has_those_that_are_recorded() -> None:
    rules = yaml.safe_load((PROJECT_ROOT / "k8s/monitoring/original-names.yaml").read_text())
    recorded = {rule["record"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in recorded}
    rows = re.findall(r"^\| `(realtime_[a-z_]+)`.*\| yes[^|]*\|$", text_of("docs/MIGRATION.md"), re.MULTILINE)
    assert set(rows) == families


@pytest.mark.parametrize("document", DOCUMENTS)
def test_metrics__that_a_document_names__are_shown(document: str) -> None:
    shown = "".join((PROJECT_ROOT / path).read_text() for path in METRICS)
    named = {name.removesuffix("_total") for name in METRIC.findall(text_of(document))}
    written = [name.removeprefix("realtime_runtime_") for name in named]
    assert [name for name in written if f'"{name}' not in shown and f'}}_{name}"' not in shown] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files__that_a_document_names__are_there(document: str) -> None:
    text = text_of(document)
    folder = (PROJECT_ROOT / document).parent
    assert [path for path in set(PATH.findall(text)) if not (PROJECT_ROOT / path).exists()] == []
    assert [path for path in set(LINK.findall(text)) if not (folder / path).exists()] == []
