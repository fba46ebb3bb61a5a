"""The program's own source files and what they import, read from their text; nothing of them is run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = ("characters", "mocap", "retarget", "mimic", "bench")
COMMAND = "run_mimic"


@dataclass(frozen=True)
class Import:
    """One imported name, fully dotted: ``from a.b import c`` is ``a.b.c``, of which ``module`` is the part that is a file."""

    name: str
    module: str | None  # None: not ours
    line: int


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every source file; a package is its ``__init__.py``."""
    files = [*(path for room in TOP_LEVEL for path in (ROOT / room).rglob("*.py")), ROOT / f"{COMMAND}.py"]
    return {_dotted(path): path for path in sorted(files)}


@cache
def tree(module: str) -> ast.Module:
    """The parsed text of a source file."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"), str(modules()[module]))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """Everything a module imports anywhere in it, inside functions and under TYPE_CHECKING too."""
    return tuple(
        Import(name, _owner(name), node.lineno) for node in ast.walk(tree(module)) for name in _names(module, node)
    )


def _names(module: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = module.split(".") if modules()[module].name == "__init__.py" else module.split(".")[:-1]
            base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)


def _owner(name: str) -> str | None:
    parts = name.split(".")
    known = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((candidate for candidate in known if candidate in modules()), None)


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
