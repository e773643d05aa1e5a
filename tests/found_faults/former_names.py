"""Runs a script of an earlier layout of the code: ``python -m tests.found_faults.former_names FILE …``.

The script is run as it is, but for its imports: each name in them that has moved leads to where it is now.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

MODULES = {
    "realtime_runtime.config.active": "strategy_core.engine.active",
    "realtime_runtime.config.layers": "tests.found_faults.former_layers",
    "realtime_runtime.config.wire": "tests.found_faults.former_wire",
    "realtime_runtime.engine": "tests.found_faults.former_engine",
    "realtime_runtime.feeds.binance": "realtime_runtime.feeds.binance.binance_sources",
    "realtime_runtime.feeds.live_settings": "tests.found_faults.former_live_settings",
    "realtime_runtime.strategies.registry": "strategy_core.strategies.registry",
    "strategy_config.config_file": "strategy_config.services.yaml_file",
    "strategy_config.publishing": "strategy_config.publication.publisher",
    "strategy_config.selectors": "strategy_config.selectors.stored_layers",
    "strategy_config.tasks": "strategy_config.tasks.periodic",
    "strategy_config.transactions": "strategy_config.store.transactions",
}
ATTRIBUTES = {"overrides": "own"}
CALLS = {f"strategy_config.{name}" for name in ("audit", "overviews", "services")}
"""What is called by other names today, or answers another thing: see `former_calls`."""


class _Imports(ast.NodeTransformer):
    """Leads each import, and each attribute that was renamed, to where the name is now."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = ATTRIBUTES.get(node.attr, node.attr)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for each in node.names:
            name = f"{node.module}.{each.name}"
            as_module = MODULES.get(name)
            if name in CALLS:
                found.append(ast.ImportFrom("tests.found_faults.former_calls", [each], 0))
            elif as_module is not None:
                found.append(ast.Import([ast.alias(as_module, each.asname or each.name)]))
            else:
                module = MODULES.get(node.module or "", node.module)
                found.append(ast.ImportFrom(module, [each], node.level))
        return [ast.fix_missing_locations(ast.copy_location(each, node)) for each in found]


class _Loader(importlib.machinery.SourceFileLoader):
    """Of the scripts and of the modules beside them; keeps no bytecode there."""

    def get_code(self, fullname: str) -> CodeType:
        tree = _Imports().visit(ast.parse(self.get_data(self.path), self.path))
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules beside a script."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._folder / f"{name}.py"
        if path is not None or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(name, file, loader=_Loader(name, str(file)))


def run(script: Path) -> dict[str, Any]:
    """Run the script in this process; what it has defined by its end."""
    finder = _Finder(script.parent)
    sys.meta_path.insert(0, finder)
    try:
        scope = {"__name__": "__main__", "__file__": str(script)}
        exec(_Loader("__main__", str(script)).get_code("__main__"), scope)  # noqa: S102  (it is what this is for)
        return scope
    finally:
        sys.meta_path.remove(finder)


if __name__ == "__main__":
    del sys.argv[0]
    run(Path(sys.argv[0]))
