"""Runs that are killed or get a signal, and go on."""

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml

from tests.torture.commands import Command, run, sentence
from tests.torture.references import Reference, Writes, compared, reference
from tests.torture.runs import (
    CASES,
    NO_PREDICTION,
    ON_TWO,
    SHORT,
    fit_words,
    last_of,
    leftovers,
    predict_words,
    resumed,
    settings,
    trial_folder,
    whole_files,
)


def killed(words: list[str], folder: Path, like: Reference, rng: random.Random) -> bool:
    """Start a command and kill it at a random time or write; whether it was killed."""
    if rng.random() < 0.5:
        writes = Writes(rng.randint(1, like.writes), rng.choice([0.0, 0.0005, 0.003]))
        command = Command(words, folder, writes.watch).start()
    else:
        command = Command(words, folder).start()
        command.wait(rng.uniform(0.1, like.seconds))
        command.kill()
    ended = command.end()
    command.kill()  # loader workers
    return ended.code < 0


@dataclass
class Chain:
    """A run and its prediction, killed and repeated in a folder until they end."""

    folder: Path
    case: str
    devices: int
    like: Reference
    rng: random.Random
    kills: int = 0
    wrong: list[str] = field(default_factory=list)

    def fit(self) -> None:
        """Kill the run some times, then let it end."""
        for _ in range(self.rng.randint(1, 4)):
            self._kill([*fit_words(self.devices), *resumed(self.folder)])
            self.wrong += whole_files(self.folder)
        self._end([*fit_words(self.devices), *resumed(self.folder)])
        self.wrong += compared(self.like, self.folder)

    def predict(self) -> None:
        """Kill the prediction once, then let it end."""
        if last_of(self.folder) and self.case not in NO_PREDICTION:
            self._kill(predict_words(self.folder))
            self._end(predict_words(self.folder))

    def _kill(self, words: list[str]) -> None:
        self.kills += killed(words, self.folder, self.like, self.rng)

    def _end(self, words: list[str]) -> None:
        self.wrong += sentence(run(words, self.folder), 0)


def kills(rng: random.Random) -> tuple[int, list[str]]:
    """Kills of one run, until it ended, and of its prediction; what was wrong."""
    case = rng.choice(CASES)
    workers = rng.choice([0, 0, 0, 2])
    devices = rng.choice([1, 1, 2]) if case in ON_TWO else 1
    like = reference(case, devices)
    name = f"{case} workers {workers} devices {devices}"
    with trial_folder() as folder:
        (folder / "job.yaml").write_text(yaml.safe_dump(settings(case, workers)))
        chain = Chain(folder, case, devices, like, rng)
        chain.fit()
        chain.predict()
        last = last_of(folder)
        chain.wrong += leftovers(last.parents[1]) if last else []
    return chain.kills, [f"{name}: {one}" for one in chain.wrong]


def signals(rng: random.Random) -> tuple[int, list[str]]:
    """TERM or INT, once or twice, at a random time; the run goes on afterwards."""
    like = reference(rng.choice(CASES))
    number = rng.choice([signal.SIGTERM, signal.SIGINT])
    times = 2 if rng.random() < 0.3 else 1
    with trial_folder() as folder:
        shutil.copy(like.folder / "job.yaml", folder)
        command = Command(fit_words(1), folder).start()
        time.sleep(rng.uniform(0.5, 1) * like.seconds)
        wrong = signalled(command, number, times)
        wrong += whole_files(folder)
        wrong += sentence(run([*fit_words(1), *resumed(folder)], folder), 0)
        wrong += compared(like, folder)
    return 1, [f"{signal.Signals(number).name}: {one}" for one in wrong]


def signalled(command: Command, number: int, times: int) -> list[str]:
    """What is wrong with the end of a command that gets a signal."""
    for _ in range(times):
        os.kill(command.pid, number)
        time.sleep(0.01)
    ended = command.end()
    last = last_of(command.folder)
    step = torch.load(last, weights_only=True)["global_step"] if last else 0
    fine, at_its_end = {128 + number}, step == SHORT["max_steps"]
    if at_its_end:
        fine.add(0)
    if not last or at_its_end or times > 1:  # there is no fit; or it ends at once
        fine.add(-number)
    wrong = [] if ended.code in fine else [f"exit code {ended.code}"]
    return wrong + (["traceback"] if "Traceback" in ended.told else [])
