"""docs/theory.md: names that exist and blocks that are up to date."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from experiments.studies.files import STUDIES, with_blocks

DEFINITIONS = {4, 7, *range(16, 23), 26, 33, 38, 41, 51}


def equations(repository: Path) -> dict[int, tuple[str, str]]:
    """Code and test of each row of the table."""
    page = (repository / "docs/theory.md").read_text()
    found = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]*) \| ([^|]*) \|$", page, re.M)
    rows = {int(n): (code.strip(" `"), test.strip(" `")) for n, code, test in found}
    assert len(rows) == len(found), "an equation has two rows"
    return rows


def test_every_equation_has_its_row(repository: Path) -> None:
    assert set(equations(repository)) == set(range(1, 57))


def test_only_definitions_are_without_code(repository: Path) -> None:
    bare = {n for n, (code, _) in equations(repository).items() if code == "definition"}
    assert bare <= DEFINITIONS


def reached(text: str, test: str) -> set[str]:
    """Names that a test uses: itself, its decorators, and what it takes from its file.

    Imports don't count, so a name that the file only imports is not reached.
    """
    tree = ast.parse(text)
    parts: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            parts[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts |= {t.id: node for t in targets if isinstance(t, ast.Name)}
    names: set[str] = set()
    waiting = {test}
    while waiting:
        name = waiting.pop()
        names.add(name)
        for part in ast.walk(parts[name]) if name in parts else ():
            found = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg"}
            key = found.get(type(part))
            if key and getattr(part, key) not in names:
                waiting.add(getattr(part, key))
    return names


def test_only_what_a_test_uses_is_reached() -> None:
    text = (
        "from m import kl, js\n"
        "def helper(): return kl()\n"
        "def test_a(): helper()\n"
        "def test_b(): pass\n"
    )
    assert "kl" in reached(text, "test_a")
    assert not {"kl", "js"} & reached(text, "test_b")


def test_every_function_and_test_of_the_table_exists(repository: Path) -> None:
    for number, (code, test) in equations(repository).items():
        if code == "definition":
            continue
        module, name = code.rsplit(".", 1)
        assert hasattr(import_module(f"lightning_modules.{module}"), name), number
        file, function = test.split("::")
        text = (repository / "tests/lightning_modules" / file).read_text()
        assert name in reached(text, function), f"{number}: {function} without {name}"


def test_tests_and_files_named_in_the_text_exist(repository: Path) -> None:
    page = (repository / "docs/theory.md").read_text()
    tests = "".join(p.read_text() for p in (repository / "tests").rglob("test_*.py"))
    for name in set(re.findall(r"`(test_[a-z0-9_]+)`", page)):
        assert f"def {name}(" in tests, name
    for path in set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|csv|md))`", page)):
        here = repository / path
        assert here.exists() or (repository / "lightning_modules" / path).exists(), path
    for link in re.findall(r"\]\(((?!http|#)[^)]+)\)", page):
        assert (repository / "docs" / link).exists(), link


def test_the_page_is_what_the_measured_rows_say(repository: Path) -> None:
    page = (repository / "docs/theory.md").read_text()
    stale = "run `python -m experiments.studies page` and stage docs"
    assert page == with_blocks(page, repository / "docs"), stale


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_its_place_its_settings_and_its_figure(
    name: str, repository: Path
) -> None:
    page = (repository / "docs/theory.md").read_text()
    assert page.count(f"<!-- study: {name} -->") == 1
    assert (repository / f"configs/studies/{name}.yaml").exists()
    figure, rows = (repository / f"docs/figures/{name}.{e}" for e in ("png", "csv"))
    assert figure.exists() == rows.exists()
