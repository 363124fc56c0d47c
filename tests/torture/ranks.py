"""Ranks that are stopped or killed."""

import os
import random
import signal
import time
from typing import Any

import yaml

from tests.torture.commands import Command, members, sentence
from tests.torture.runs import (
    ON_TWO,
    fit_words,
    last_of,
    settings,
    trial_folder,
    whole_files,
)


def ranks(rng: random.Random) -> tuple[int, list[str]]:
    """One of two ranks is stopped or killed at a random time after the first step."""
    job = endless(rng.choice(ON_TWO))
    number, rank = rng.choice([signal.SIGSTOP, signal.SIGKILL]), rng.choice([0, 1])
    with trial_folder() as folder:
        (folder / "job.yaml").write_text(yaml.safe_dump(job))
        command = Command(fit_words(2), folder).start()
        while not last_of(folder) and not command.wait(0.1):
            pass
        time.sleep(rng.uniform(0, 2))
        forked = sorted(set(members(command.pid)) - {command.pid})
        os.kill(forked[rank], number)
        wrong = told(command, rank)
        command.kill()
        wrong += whole_files(folder)
    return 1, [f"{signal.Signals(number).name} to rank {rank}: {one}" for one in wrong]


def endless(case: str) -> dict[str, Any]:
    """An experiment that goes on until a rank is missed."""
    job = settings(case, 0)
    job["trainer"]["max_steps"] = 100_000
    watch = {"class_path": "callbacks.RankWatch", "init_args": {"timeout": 6.0}}
    job["trainer"]["callbacks"].append(watch)
    return job


def told(command: Command, rank: int) -> list[str]:
    """What is wrong with the end of a command that lost a rank."""
    ended = command.wait(30)
    if ended is None:
        return ["hangs"]
    wrong = sentence(ended, 1)
    wrong += [] if f"error: rank {rank} " in ended.told else ["no rank is named"]
    time.sleep(1)
    return wrong + [f"{n} remains" for n in members(command.pid)]
