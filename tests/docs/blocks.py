"""Finds the shell blocks of the documents."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT_ROOT

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/API.md",
    "docs/CONFIGURATION.md",
    "docs/OPERATIONS.md",
    "docs/ARCHITECTURE.md",
    "docs/MIGRATION.md",
    "docs/SCALING.md",
    "docs/DEPLOYMENT.md",
    "docs/FEEDS.md",
)
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. ``info`` says what it is: "sh", "sh run" (executed by the tests), "json", ""."""

    document: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def text_of(document: str) -> str:
    """The whole document."""
    return Path(PROJECT_ROOT, document).read_text()


def blocks(document: str) -> list[Block]:
    """All fenced blocks of the document, in their order."""
    text = text_of(document)
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, found["info"].strip(), textwrap.dedent(found["body"]))
        for found in _FENCE.finditer(text)
    ]


def shell_blocks(document: str) -> list[Block]:
    """Those of them that are shell."""
    return [block for block in blocks(document) if block.info.split(" ")[0] == "sh"]


def script(document: str) -> str:
    """The blocks that are to be executed, as one script that ends at the first failure."""
    parts = [f"# {block}\n{block.text}" for block in shell_blocks(document) if block.info == "sh run"]
    return "set -euo pipefail\n" + "\n".join(parts)
