"""Disks that are full, and checkpoints of which one bit is another."""

import contextlib
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from tests.support.trainers import same
from tests.torture.commands import run, sentence
from tests.torture.references import reference
from tests.torture.runs import (
    CASES,
    PARTS,
    fit_words,
    last_of,
    trial_folder,
    whole_files,
)


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[tuple[Path, Callable[[], object], str]]:
    """A folder that takes no more than some bytes.

    It is a tmpfs where it may be mounted; else files have a limit (RLIMIT_FSIZE).
    """
    with trial_folder() as folder:
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            yield folder, partial(limit_files, size // 4), "limit"
            return
        try:
            yield folder, bool, "tmpfs"
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def limit_files(size: int) -> None:
    """Let no file of this process be larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def disks(rng: random.Random) -> tuple[int, list[str]]:
    """A disk that is full at some time of the run, and then is not."""
    like = reference(rng.choice(CASES))
    needed = sum(p.stat().st_size for p in like.folder.rglob("*") if p.is_file())
    size = int(rng.uniform(0.1, 1.1) * needed) + 8192
    with full_disk(size) as (folder, first, kind):
        shutil.copy(like.folder / "job.yaml", folder)
        ended = run(fit_words(1), folder, first)
        wrong = sentence(ended, 2) if ended.code else sentence(ended, 0)
        wrong += whole_files(folder)
    return 1, [f"{kind} of {size}: {one}" for one in wrong]


def flips(rng: random.Random) -> tuple[int, list[str]]:
    """One bit of last.ckpt is another."""
    like = reference(rng.choice(CASES))
    with trial_folder() as folder:
        shutil.copytree(like.folder, folder, dirs_exist_ok=True)
        path = last_of(folder)
        assert path is not None
        bit = flip(path, rng)
        before = written(folder)
        words = rng.choice([fit_words(1), ["validate", "--config", "job.yaml"]])
        ended = run([*words, "--ckpt_path", str(path)], folder)
        if ended.code == 0:  # a byte that says nothing, such as a date in the archive
            return 1, [] if equal_parts(like.last, path) else [
                f"bit {bit} was accepted"
            ]
        wrong = sentence(ended, 2)
        wrong += [] if "last.ckpt" in ended.told else ["the file is not named"]
        wrong += ["other files"] if before != written(folder) else []
    return 1, [f"bit {bit}: {one}" for one in wrong]


def flip(path: Path, rng: random.Random) -> int:
    """Change a random bit of a file; its number."""
    content = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return bit


def written(folder: Path) -> list[Path]:
    """Files of a folder, without what its commands said."""
    return sorted(path for path in folder.rglob("*") if path.suffix != ".txt")


def equal_parts(first: Path, second: Path) -> bool:
    """Whether two checkpoints hold the same."""
    states = [torch.load(path, weights_only=True) for path in (first, second)]
    return all(same(states[0][part], states[1][part]) for part in PARTS)
