"""The walls between the packages (docs of the layout: README, "How the code is laid out")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OPEN_TO_ALL = {"mtmc.errors", "mtmc.config", "mtmc.files"}
ONE_IMPORTER = ("av", "ultralytics", "onnxruntime", "lap", "trackers")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at any depth, in dotted form."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize(("package", "strangers"), [
    ("detectors", ("reid_models", "mtmc", "tools")),
    ("reid_models", ("detectors", "mtmc", "tools")),
    ("mtmc", ("tools",)),
])
def test_package_imports_only_what_it_may(package: str, strangers: tuple[str, ...]) -> None:
    for path in files_of(package):
        for name in imports_of(path):
            allowed = any(name == ok or name.startswith(f"{ok}.") for ok in OPEN_TO_ALL)
            assert allowed or name.split(".")[0] not in strangers, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", ["detectors", "reid_models", "mtmc"])
@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_at_most_one_file_imports(package: str, library: str) -> None:
    importers = [p for p in files_of(package) if any(
        n.split(".")[0] == library for n in imports_of(p)) and p.parent.name != "evaluation"]
    assert len(importers) <= 1, f"{library} is imported by {importers}"


def test_the_open_files_need_little() -> None:
    standard = {"numpy", "yaml", "mtmc.errors"}
    import sys
    for module in OPEN_TO_ALL:
        path = ROOT / (module.replace(".", "/") + ".py")
        for name in imports_of(path):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top in standard or name.startswith(tuple(OPEN_TO_ALL)), name


def test_mtmc_init_is_empty() -> None:
    assert (ROOT / "mtmc" / "__init__.py").read_text().strip() == ""


def test_tools_hold_no_numpy() -> None:
    for path in files_of("tools"):
        assert "numpy" not in imports_of(path), path
