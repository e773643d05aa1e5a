"""The house: which module may stand at a package's top level, and what the pure core may import at all.

The order of the folders is held by the import contracts in pyproject.toml.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[2]

TOP_LEVEL = {
    "strategy_core": {},
    "realtime_runtime": {
        "__main__": "the program: handles signals before anything else is imported",
        "command_line": "what the program can do; imported by __main__ after that, and by tests",
        "app": "named in the design",
        "health": "named in the design",
        "metrics": "the runtime as a whole, for Prometheus",
        "assembly": "named in the design",
        "consumer": "named in the design",
        "settings": "the only reader of the runtime's environment",
    },
    "realtime_runtime/feeds": {
        "cli": "the command line of all feeds",
        "publishing": "how any feed publishes to NATS",
        "report": "what the feeds print for people",
        "supervision": "how any live source is kept running",
        "web": "how any live source asks over HTTP",
    },
    "strategy_config": {
        "apps": "Django looks for it there",
        "exceptions": "named in the design",
    },
}
"""By package the modules beside its folders, each with the reason for its place."""

CORE_MAY_IMPORT = frozenset(
    {
        *("bisect", "collections", "dataclasses", "datetime", "difflib", "enum", "functools", "hashlib", "hmac"),
        *("itertools", "math", "operator", "re", "struct", "types", "typing", "uuid"),
        *("msgspec", "pydantic", "pydantic_core", "strategy_core"),
    }
)
"""No clock, no input or output, no log. `datetime` writes instants that are passed in."""
CLOCKS = {"time", "datetime", "date", "datetime.datetime", "datetime.date"}
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})

DJANGO_FOLDERS = frozenset({"migrations", "static", "templates", "templatetags", "__pycache__"})
ROOMS_OF_SITE = sorted(
    folder.relative_to(PROJECT_ROOT)
    for folder in (PROJECT_ROOT / "strategy_config").iterdir()
    if folder.is_dir() and folder.name not in DJANGO_FOLDERS
)
FOLDERS = sorted(
    folder.relative_to(PROJECT_ROOT)
    for package in ("strategy_core", "realtime_runtime")
    for folder in (PROJECT_ROOT / package, *(PROJECT_ROOT / package).rglob("*/"))
    if (folder / "__init__.py").exists()
)


def modules_of(package: str) -> Iterator[Path]:
    return (path for path in sorted((PROJECT_ROOT / package).rglob("*.py")) if path.name != "__init__.py")


def imported_by(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("package", TOP_LEVEL)
def test_top_level__has_the_modules_that_the_design_names__and_no_other(package: str) -> None:
    there = {path.stem for path in (PROJECT_ROOT / package).glob("*.py")} - {"__init__"}

    assert there == TOP_LEVEL[package].keys()


@pytest.mark.parametrize("folder", [*FOLDERS, *ROOMS_OF_SITE], ids=str)
def test_folder__says_what_lives_there_and_what_it_may_import(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((PROJECT_ROOT / folder / "__init__.py").read_text()))

    assert docstring is not None
    assert "\nImports " in docstring


def test_core__imports_nothing_with_a_clock__a_log_or_input_and_output() -> None:
    others = {
        f"{path.relative_to(PROJECT_ROOT)}: {name}"
        for path in modules_of("strategy_core")
        for name in imported_by(path)
        if name.partition(".")[0] not in CORE_MAY_IMPORT
    }

    assert not others


def test_core__calls_no_clock() -> None:
    calls = {
        f"{path.relative_to(PROJECT_ROOT)}:{node.lineno}"
        for path in modules_of("strategy_core")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_CALLS and ast.unparse(node.value) in CLOCKS
    }

    assert not calls


def test_names__core_kit_and_runtime__are_each_given_once() -> None:
    packages = ("strategy_core", "service_kit", "realtime_runtime")
    names = Counter(path.stem for package in packages for path in modules_of(package))

    assert [name for name, times in names.items() if times > 1] == []


def test_names__no_module_is_named_like_its_folder() -> None:
    repeated = {
        str(path.relative_to(PROJECT_ROOT))
        for package in ("strategy_core", "realtime_runtime", "strategy_config")
        for path in modules_of(package)
        if path.stem == path.parent.name
    }

    assert repeated == {"strategy_core/engine/engine.py"}
