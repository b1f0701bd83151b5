"""Which part may know which: `server → signaling → media`, and private names of aiortc in one module only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("media", "signaling", "server")
MAY_IMPORT = {"media": {"media"}, "signaling": {"signaling", "media"}, "server": set(PACKAGES)}
MEDIA_FOR_SIGNALING = {"media.client", "media.control"}
"""Signalling knows the relay by its control API."""
DTLS = "media/dtls.py"
MAX_LINES = 600
"""A file over 400 lines is usually two ideas; over this it is one that was not looked at again."""

FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def _imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Every module that is imported, with the names taken from it, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, [alias.name for alias in node.names]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_go_one_way(path: Path) -> None:
    """A relay worker knows neither signalling nor the server; signalling knows of media only the control API."""
    package = path.relative_to(ROOT).parts[0]
    for module, names in _imports(ast.parse(path.read_text(encoding="utf-8"))):
        top = module.partition(".")[0]
        assert top not in PACKAGES or top in MAY_IMPORT[package], f"{package} imports {module}"
        assert top not in {"tests", "bench"}, f"{_name(path)} imports {module}"
        if package == "signaling" and top == "media":
            wanted = {f"{module}.{name}" for name in names} if module == "media" else {module}
            assert wanted <= MEDIA_FOR_SIGNALING, f"{_name(path)} imports {wanted}"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_private_names_of_aiortc_are_in_one_module(path: Path) -> None:
    """What may change without notice is touched where the contract tests are."""
    if _name(path) == DTLS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    from_aiortc: set[str] = set()
    for module, names in _imports(tree):
        if module.partition(".")[0] not in {"aiortc", "aioice"}:
            continue
        private = [part for part in [*module.split("."), *names] if part.startswith("_")]
        assert not private, f"{_name(path)} imports {private} of {module}"
        from_aiortc.update(names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = node.value
            assert not (isinstance(owner, ast.Name) and owner.id in from_aiortc), f"{_name(path)}: {node.attr}"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_module_says_what_it_is_and_stays_readable(path: Path) -> None:
    """It has a docstring and an end."""
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{_name(path)} does not say what it is"
    assert len(text.splitlines()) <= MAX_LINES
