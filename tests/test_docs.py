"""Pages name what exists."""

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import get_args

import nbformat
import pytest
from nbclient import NotebookClient

import callbacks
import datamodules
import lightning_modules
from lightning_modules.data_contracts.contracts import DataKind
from tests.torture.page import page_text
from wasserstein_critics.commands import OTHER_COMMANDS, SUBCOMMANDS
from wasserstein_critics.completion import options
from wasserstein_critics.shipped import shipped_path

REPOSITORY = Path(__file__).parents[1]
SITE = (
    "reference",
    "../reference",
    "decisions/index.md",
    "tutorials",
    "../tutorials",
)  # made when the site is built
PAGES = sorted(
    [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
)
NOTEBOOKS = sorted((REPOSITORY / "docs/tutorials").glob("*.ipynb"))
ROOMS = ("lightning_modules", "datamodules", "callbacks", "experiments")
ROOTS = ("", "lightning_modules", "tests", "tests/lightning_modules")
ADDED = {
    "critic_scores.py",
    "dragan.py",
    "spectral.py",
    "test_dragan.py",
    "two_moons.py",
}
FORMER = re.compile(r"`(?:scripts/|cli_)[\w/.]*`")  # of decisions, which are history


def page_name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(((?!http)[^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if path.startswith(SITE):
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.M)
            slugs = [
                re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles
            ]
            assert anchor in slugs, link


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = FORMER.sub("", page.read_text())
    roots = [REPOSITORY / root for root in ROOTS]
    for path in set(re.findall(r"(?<![\w/.<>*-])((?:[a-z_]+/)+\w+\.py)\b", text)):
        known = any((root / path).exists() for root in roots)
        assert known or Path(path).name in ADDED, path


def test_the_page_on_reliability_is_what_its_records_say() -> None:
    assert (REPOSITORY / "docs/reliability.md").read_text() == page_text()


def test_the_table_of_batches_names_what_is_exported() -> None:
    page = (REPOSITORY / "docs/architecture.md").read_text()
    for kind in get_args(DataKind):
        (row,) = re.findall(rf"^\| `{kind}` \|(.*)\|$", page, re.M)
        *_, data, methods = row.split(" | ")
        for package, names in ((datamodules, data), (lightning_modules, methods)):
            assert set(re.findall(r"`(\w+)`", names)) <= set(package.__all__)


def test_every_room_is_in_the_tree() -> None:
    page = (REPOSITORY / "docs/architecture.md").read_text()
    tree = page.split("```")[1]
    for package in ROOMS:
        for room in (REPOSITORY / package).iterdir():
            if (room / "__init__.py").exists():
                assert f" {room.name}/" in tree, room


def test_every_equation_is_shown_once_in_order() -> None:
    page = (REPOSITORY / "docs/theory.md").read_text()
    numbers = [int(n) for n in re.findall(r"\\tag\{(\d+)\}", page)]
    assert numbers == list(range(1, 57))


COMMANDS = [
    (page, line)
    for page in PAGES
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    for line in block.splitlines()
    if re.search(r"wasserstein-critics [a-z]+ ", line) and "pip install" not in line
]


def test_commands_on_pages_name_what_exists() -> None:
    known = {option for option, _ in options()} | {"--config", "--ckpt_path"}
    for page, line in COMMANDS:
        after = line.split("wasserstein-critics ", 1)[1].split("<TAB>")[0]
        subcommand, *words = shlex.split(after.split("bash)")[0], comments=True)
        assert subcommand in (*SUBCOMMANDS, *OTHER_COMMANDS), line
        for word, following in pairwise([*words, ""]):
            if word == "--config" and "<TAB>" not in line:
                own = following.startswith("$") or following.endswith(".yaml")
                assert own or shipped_path(following), (page, line)
            if subcommand in SUBCOMMANDS and word.startswith("--"):
                name = ".".join(word.removesuffix("+").split(".")[:2])
                assert name in {*known, "--help"}, (page, line)


RUN_PATH = re.compile(r"runs/([a-z_]+)-([A-Za-z_0-9-]+)/version")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_runs_are_named_after_a_method_and_data_of_the_page(page: Path) -> None:
    """Words of the data: a shipped config, or what options of the data name."""
    text = page.read_text()
    paths = {Path(word).stem for word in re.findall(r"--data\.\w+[ =](\S+)", text)}
    for method, data in RUN_PATH.findall(text):
        configs = REPOSITORY / "configs"
        assert (configs / method).is_dir(), (method, data)
        shipped = [*configs.glob(f"*/{data}.yaml")]
        assert shipped or set(data.split("-")) <= paths, (method, data)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_holds_its_outputs_and_is_small(path: Path) -> None:
    assert path.stat().st_size < 1_000_000
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert sum(bool(cell["outputs"]) for cell in code) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    place = {"metadata": {"path": str(tmp_path)}}
    environment = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = NotebookClient(notebook, timeout=600, resources=place)
        client.execute()


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing(tmp_path: Path) -> None:
    """Strict: a broken link or a public name without a docstring ends the build."""
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    environment["DISABLE_MKDOCS_2_WARNING"] = "true"
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, timeout=600)
    pages = {path.name: path.read_text() for path in tmp_path.rglob("*.html")}
    assert {"index.html", "theory.html", "methods.html"} <= set(pages)
    assert not any(re.search(r'src="(https?:)?//', page) for page in pages.values())
    assert pages["theory.html"].count("<math") > 200
    assert 'class="arithmatex"' not in pages["theory.html"]
    for package in (lightning_modules, datamodules, callbacks):
        for name in package.__all__:
            assert any(f'.{name}"' in page for page in pages.values()), name
