"""Checkpoints whose arguments name what must be neither imported nor called."""

import os
import random
import sys
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import torch

from experiments.provenance import ROOT
from tests.support.methods import (
    CALLED,
    HOSTILE,
    NAMES,
    VALUES,
    WAYS,
    hostile_tree,
)
from tests.support.shipped import method_of
from tests.torture.commands import Command, sentence
from tests.torture.references import reference
from tests.torture.runs import trial_folder

RAN = 66  # exit code of a process that ran what a file named
MODULE = "open({!r}, 'w')\nfrom torch.nn import Linear as Critic"


def refuse_programs(event: str, args: tuple[Any, ...]) -> None:
    """End the process where it starts another, or imports the hostile module."""
    starts = event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")
    if starts or (event == "import" and str(args[0]).startswith("evilmod")):
        os._exit(RAN)


def load(words: list[str]) -> int:
    """Load a checkpoint: 2 where it is refused, 0 where not, `RAN` if something ran."""
    sys.addaudithook(refuse_programs)
    cls: Any = method_of(ROOT / "configs" / f"{words[0]}.yaml")
    code = 0
    try:
        cls.load_from_checkpoint(words[1])
    except (ValueError, TypeError, RuntimeError, ArgumentError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        code = 2
    return RAN if CALLED or Path("ran").exists() else code


def hostile(rng: random.Random) -> tuple[int, list[str]]:
    """A checkpoint whose arguments name what must be neither imported nor called."""
    case = rng.choice(["wgan_gp/ring8", "wdgrl/digits_shift", "metric_learner/wine"])
    content = torch.load(reference(case).last, weights_only=True)
    tree = random_tree(rng)
    arguments = content["hyper_parameters"]
    key = rng.choice([key for key in sorted(arguments) if not key.startswith("_")])
    arguments[key] = tree
    with trial_folder() as folder:
        (folder / "evilmod.py").write_text(MODULE.format(str(folder / "ran")))
        torch.save(content, folder / "x.ckpt")
        words = [case, "x.ckpt"]
        seen = Command(words, folder, lambda: sys.path.insert(0, "."), load).start()
        wrong = sentence(seen.end(), 2)
    return 1, [f"{case} {key}={tree}: {one}" for one in wrong]


def random_tree(rng: random.Random) -> Any:
    """Arguments that name something hostile, in one of several ways."""
    names = rng.sample(NAMES, rng.randint(0, len(NAMES)))
    path, way = rng.choice(HOSTILE), rng.choice(WAYS)
    return hostile_tree(path, {name: rng.choice(VALUES) for name in names}, way)
