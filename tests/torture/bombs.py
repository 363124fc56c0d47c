"""Small files and options that would need more memory or time than there is."""

import os
import random
import re
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from tests.torture.commands import Command, Ended, sentence
from tests.torture.runs import trial_folder
from wasserstein_critics.cli import app
from wasserstein_critics.cli.errors import explain

MORE = 600 * 2**20
"""Bytes that a refusal may take beyond what the process had."""
SIZED = re.compile(
    r"bomb|promise|of 1 TB|10\^|billion|pixels|limit|wide|long|digits|deep|device|pipe"
)
ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
OPTIONS = (
    "--model.critic.hidden=[10000000,10000000]",
    "--model.generator.hidden=[100000,100000,100000]",
    "--data.num_workers=1000000",
    "--data.batch_size=1000000000000",
    "--data.n_train=1000000000000",
    "--model.generator.latent_dim=1000000000000",
    "--data=PlantedInteractions --data.n_users=1000000000 --data.n_items=1000000000",
)


def read_bomb(words: list[str]) -> int:
    """Read a data file as the command line does before it trains: 2 where refused.

    The files are made here, in the forked process: threads of polars, which makes
    some, would not survive the fork.

    Args:
        words: A seed, and the folder to write into.
    """
    from tests.odd_files import bad_files
    from tests.support import small_data

    files = [bad for bad in bad_files.BAD_FILES if SIZED.search(bad.title)]
    bad, root = random.Random(words[0]).choice(files), Path(words[1])
    sys.stderr.write(f"{bad.data}: {bad.title}\n")
    root.mkdir()
    small_data.write_all(root)
    bad_files.put(bad, root)
    try:
        bad_files.read(bad, root)
    except Exception as error:
        told = explain(error)
        if told is None:
            raise
        sys.stderr.write(f"error: {told}\n")
        return 2
    return 0


def bombs(rng: random.Random) -> tuple[int, list[str]]:
    """A file or an option that asks for more than there is, in one of three ways."""
    way = rng.choice([file_bomb, file_bomb, file_bomb, config_bomb, option_bomb])
    with trial_folder() as folder:
        before = getrusage(RUSAGE_SELF).ru_maxrss * 1024
        name, ended = way(rng, folder)
    wrong = sentence(ended, 2)
    more = ended.peak - before
    wrong += [f"{more // 2**20} MB more"] if more > MORE else []
    return 1, [f"{name}: {one}" for one in wrong]


def file_bomb(rng: random.Random, folder: Path) -> tuple[str, Ended]:
    """A data file that is small and means much."""
    words = [str(rng.random()), str(folder / "data")]
    ended = Command(words, folder, main=read_bomb).start().end()
    return ended.told.partition("\n")[0], ended


def config_bomb(rng: random.Random, folder: Path) -> tuple[str, Ended]:
    """A config of few lines that never ends."""
    name = rng.choice(["aliases", "deep", "pipe", "device"])
    path = folder / "x.yaml"
    if name == "pipe":
        os.mkfifo(path)
    elif name == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_text(ALIASES if name == "aliases" else "a: " + "[" * 5000)
    words = ["fit", "--config", "x.yaml"]
    return f"config: {name}", Command(words, folder, main=app.main).start().end()


def option_bomb(rng: random.Random, folder: Path) -> tuple[str, Ended]:
    """An option that no machine has room for."""
    option = rng.choice(OPTIONS)
    words = ["fit", "--config", "wgan_gp/ring8", *option.split()]
    if option.startswith("--data=Planted"):
        words[2] = "cml/planted"
    return option, Command(words, folder, main=app.main).start().end()
