"""Messages, docstring titles and docs without the words that the glossary drops."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = (
    "lightning_modules",
    "datamodules",
    "callbacks",
    "wasserstein_critics",
    "experiments",
    "benchmarks",
)
TEXT_KEYWORDS = {"help", "description", "epilog"}


def dropped() -> dict[str, re.Pattern[str]]:
    """The pattern of each row of the glossary's last table."""
    page = (REPOSITORY / "docs/glossary.md").read_text()
    _, table = page.split("## Words that are not used")
    rows = re.findall(r"^\| (.+?) \| (`.+`) \| .+ \|$", table, re.M)
    return {
        word: re.compile(
            "|".join(rf"\b(?:{p})" + r"(?!\w)" for p in re.findall("`(.+?)`", cell)),
            re.I,
        )
        for word, cell in ((w, c.replace(r"\|", "|")) for w, c in rows)
    }


def literals(node: ast.AST) -> Iterator[str]:
    """The string literals below a node, those of f-strings included."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def is_message(call: ast.Call) -> bool:
    """Whether a call makes an error or warns."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    return name in ("warn", "rank_zero_warn") or name.endswith(("Error", "Warning"))


def is_help(call: ast.Call, package: str) -> bool:
    """Whether a call of the command line carries a text for its user."""
    name = getattr(call.func, "attr", "")
    return package == "wasserstein_critics" or name in ("add_argument", "add_parser")


def is_spoken(node: ast.AST, package: str) -> bool:
    """Whether strings below a node reach a user."""
    if isinstance(node, ast.Call):
        return is_message(node) or is_help(node, package)
    if isinstance(node, ast.keyword):
        return node.arg in TEXT_KEYWORDS
    if isinstance(node, ast.Assign):  # texts of the command line, by subcommand
        return package == "wasserstein_critics"
    return isinstance(node, ast.Raise)


def messages(tree: ast.Module, package: str) -> Iterator[str]:
    """Texts of errors, warnings and help, and the first lines of docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield (ast.get_docstring(node) or "").split("\n")[0]
        elif is_spoken(node, package):
            yield from literals(node)


def violations(file: Path, package: str) -> list[str]:
    """What a file says with a dropped word: the word and the text."""
    texts = dict.fromkeys(messages(ast.parse(file.read_text()), package))
    return [
        f"'{word}' in: {text}"
        for word, pattern in dropped().items()
        for text in texts
        if pattern.search(text)
    ]


def files() -> Iterator[tuple[str, str]]:
    """Package and path of each module."""
    for package in PACKAGES:
        for file in sorted((REPOSITORY / package).rglob("*.py")):
            yield package, file.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize(("package", "path"), list(files()))
def test_messages_and_titles_are_in_plain_english(package: str, path: str) -> None:
    texts = violations(REPOSITORY / path, package)
    assert not texts, "\n".join(texts)


def pages() -> Iterator[str]:
    """Paths of the pages, the configs and what stands beside them."""
    folders = ("configs", "docs", "experiments", "benchmarks")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*")]
    for file in sorted([*files, *REPOSITORY.glob("*")]):
        if file.suffix in {".md", ".yaml", ".toml"} and file.name != "glossary.md":
            yield file.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("path", list(pages()))
def test_pages_and_configs_are_in_plain_english(path: str) -> None:
    text = " ".join((REPOSITORY / path).read_text().split())
    texts = {
        word: [
            text[max(0, m.start() - 40) : m.end() + 40] for m in pattern.finditer(text)
        ]
        for word, pattern in dropped().items()
    }
    assert {word: said for word, said in texts.items() if said} == {}


@pytest.mark.parametrize(
    "text",
    [
        '"""A picture of it."""',
        'def f():\n    """Draws pictures.\n\n    At length.\n    """',
        'def f(x):\n    raise ValueError(f"{x} is no film")',
        'import warnings\nwarnings.warn("nobody took it")',
        'parser.add_argument("--jobs", help="cells at a time")',
    ],
)
def test_a_dropped_word_is_found(text: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)
    assert violations(file, "experiments")


@pytest.mark.parametrize(
    "text",
    [
        '"""ConfusionMatrixPicture and log_picture keep their names."""',
        'raise FileNotFoundError("There is no file; the archive is cut off")',
        'raise ValueError("the key is no longer there")',
        'name = "picture"  # neither shown nor read by a user',
    ],
)
def test_other_words_are_left_alone(text: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)
    assert not violations(file, "experiments")
