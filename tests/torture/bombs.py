"""Small files and options that would need more memory or time than there is."""

import os
import random
import re
import sys
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from tests.odd_files.bad_files import BAD_FILES, BadFile, built
from tests.support import small_data
from tests.torture.commands import Command, Ended, sentence
from tests.torture.runs import trial_folder
from wasserstein_critics.cli import app
from wasserstein_critics.cli.errors import explain

MORE = 600 * 2**20
"""Bytes that a refusal may take beyond what the process had."""
SIZED = re.compile(
    r"bomb|promise|of 1 TB|10\^|billion|pixels|limit|wide|long|digits|deep|device|pipe"
)
FILES = [bad for bad in BAD_FILES if SIZED.search(bad.title)]
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


def put(bad: BadFile, root: Path) -> None:
    """Write small data sets, and bad files in the place of sound ones."""
    root.mkdir()
    small_data.write_all(root)
    for name, content in bad.files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else content(path)


def read(bad: BadFile, words: list[str]) -> int:
    """Read the data, as the command line does before it trains: 2 where refused."""
    try:
        data = built(bad, Path(words[0]))
        data.find()
        data.setup()
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
    bad = rng.choice(FILES)
    root = folder / "data"
    put(bad, root)
    ended = Command([str(root)], folder, main=partial(read, bad)).start().end()
    return f"{bad.data}: {bad.title}", ended


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
