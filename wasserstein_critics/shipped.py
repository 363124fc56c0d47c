"""The configs that come with the library, by short name: ``wgan_gp/digits``.

An installation has them inside this package, a clone beside it.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

_HERE = Path(__file__).parent
FOLDER = next(p for p in (_HERE / "configs", _HERE.parent / "configs") if p.is_dir())
CONFIG_OPTIONS = ("--config", "-c")
_COPIED = re.compile(r"\[from ([\w/-]+)\]$")
_SHARED = ("defaults", "studies")  # no experiments of their own
_SWEEPS = "sweeps/"


def program() -> str:
    """The words that start the command line, as a user of this process typed them."""
    started = Path(sys.argv[0])
    if started.name == "wasserstein-critics":
        return started.name
    module = started.parts[-2:] == (_HERE.name, "__main__.py")
    return "python -m wasserstein_critics" if module else "python train.py"


def shipped_path(name: str) -> Path | None:
    """The shipped config of a short name, with or without ``.yaml``, or None."""
    path = FOLDER / f"{name.removesuffix('.yaml')}.yaml"
    within = not Path(name).is_absolute() and ".." not in Path(name).parts
    return path if name and within and path.is_file() else None


def with_shipped_paths(words: Sequence[str]) -> list[str]:
    """A command line whose ``--config`` (or ``-c``) names files.

    A file in the working folder wins over a shipped config of the same name.
    """
    named = [word in CONFIG_OPTIONS for word in words]
    return [
        _path_of(word) if after else _option_of(word)
        for word, after in zip(words, [False, *named], strict=False)
    ]


def _option_of(word: str) -> str:
    option, sign, name = word.partition("=")
    return f"{option}={_path_of(name)}" if sign and option in CONFIG_OPTIONS else word


def _path_of(name: str) -> str:
    return name if Path(name).exists() else str(shipped_path(name) or name)


def shipped_part(words: Sequence[str]) -> tuple[str, list[str]]:
    """The shipped configs that a command line is made from.

    Args:
        words: A command line whose ``--config`` names files, see `with_shipped_paths`.

    Returns:
        Their short names; the options that read them alone. A copy that `copy_config`
        made stands for what it was copied from.
    """
    files = map(Path, _config_words(words))
    names = [name for file in files if (name := _short_name(file))]
    return " ".join(names), [f"--config={FOLDER / name}.yaml" for name in names]


def _config_words(words: Sequence[str]) -> Iterator[str]:
    """What a command line names after ``--config`` or ``-c``."""
    for before, word in zip(["", *words], words, strict=False):
        option, sign, value = word.partition("=")
        if before in CONFIG_OPTIONS or (sign and option in CONFIG_OPTIONS):
            yield word if before in CONFIG_OPTIONS else value


def _short_name(file: Path) -> str | None:
    """The shipped config that a file is, or is a copy of."""
    if file.is_relative_to(FOLDER):
        return file.relative_to(FOLDER).with_suffix("").as_posix()
    with suppress(OSError, UnicodeDecodeError):
        copied = _COPIED.search(_first_line(file))
        if copied and shipped_path(copied[1]):
            return copied[1]
    return None


def titles() -> dict[str, str]:
    """First lines by short name: overlays, which follow a config, then experiments.

    What W&B reads, the sweeps, is not among them.
    """
    return {n: title for n, title in listed().items() if not n.startswith(_SWEEPS)}


def listed() -> dict[str, str]:
    """First lines by short name of all that can be copied, sweeps too."""
    paths = [*sorted(FOLDER.glob("*.yaml")), *sorted(FOLDER.glob("*/*.yaml"))]
    return {
        path.relative_to(FOLDER).with_suffix("").as_posix(): _title(path)
        for path in paths
        if path.parent.name not in _SHARED
    }


def meant(name: str, words: Sequence[str] = ()) -> str:
    """The end of a sentence about a config that is not there.

    Args:
        name: The config, perhaps as a path from the root.
        words: The command line, which has it as it was typed.
    """
    typed = next((w for w in _config_words(words) if name.endswith(f"/{w}")), name)
    short = typed.removesuffix(".yaml").removeprefix("../").removeprefix("configs/")
    shared = [f"defaults/{path.stem}" for path in FOLDER.glob("defaults/*.yaml")]
    near = get_close_matches(short, [*listed(), *shared], n=1)
    start = f": did you mean '{near[0]}'? " if near else ": "
    return f"{start}`{program()} configs` lists those that are shipped."


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline(1000)


def _title(path: Path) -> str:
    return _first_line(path).lstrip("# ").strip()


def list_configs(words: Sequence[str]) -> int:
    """``configs [WORD ...]``: print names and titles that contain all words."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} configs", description="List the shipped configs, one a line."
    )
    parser.add_argument("word", nargs="*", help="show only lines that contain it")
    wanted = [word.lower() for word in parser.parse_args(words).word]
    rows = [f"{name:34} {title}\n" for name, title in listed().items()]
    shown = [row for row in rows if all(word in row.lower() for word in wanted)]
    sys.stdout.writelines(shown)
    if not shown:
        parts = {part for name in listed() for part in name.split("/")}
        near = get_close_matches(wanted[-1], parts, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        told = f"no shipped config contains {' and '.join(wanted)}{hint}"
        sys.stderr.write(f"error: {told}\n")
    return 0 if shown else 2


def copy_config(words: Sequence[str]) -> int:
    """``copy NAME FILE``: a shipped config as a file of one's own."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} copy",
        description="Copy a shipped config to a file, to be changed there.",
    )
    parser.add_argument("name", help="short name, as `configs` lists it")
    parser.add_argument("file", type=Path, help="file to write; it must not exist")
    options = parser.parse_args(words)
    source, file = shipped_path(options.name), options.file
    if problem := _copy_problem(options.name, source, file):
        sys.stderr.write(f"error: {problem}\n")
        return 2
    assert source is not None
    part = file.with_name(f".{file.name}.part")
    copied = f" [from {options.name.removesuffix('.yaml')}]\n"
    text = _movable(source.read_text("utf-8")).replace("\n", copied, 1)
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    sweeps = options.name.startswith(_SWEEPS)
    then = "wandb sweep" if sweeps else f"{program()} fit --config"
    sys.stdout.write(f"wrote {file}: change it, then {then} {file}\n")
    return 0


def _movable(text: str) -> str:
    """A config whose defaults are named in a way that holds in every folder."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line.replace("../defaults/", "defaults/") if line[:9] == "defaults:" else line
        for line in lines
    )


def _copy_problem(name: str, source: Path | None, file: Path) -> str | None:
    if source is None:
        return f"there is no shipped config '{name}'{meant(name)}"
    if file.exists():
        return f"'{file}' exists: choose another name, or remove it."
    return None if file.parent.is_dir() else f"there is no folder '{file.parent}'."
