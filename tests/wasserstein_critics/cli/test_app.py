import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from callbacks import SampleWriter
from lightning_modules import WGANGP
from tests.support.command_line import (
    QUIET,
    Mistake,
    Run,
    check_mistake,
    each_of,
    tiny,
    traces,
    write,
)
from tests.support.shipped import CONFIGS
from wasserstein_critics.cli import app

pytestmark = QUIET


MISTAKES: list[Mistake] = [
    ("no critic updates", "--model.n_critic 0", ["model.n_critic must be at least 1"]),
    (
        "nothing that a callback draws",
        "--trainer.callbacks+=FeatureMap --trainer.callbacks.n 0",
        ["FeatureMap: n must be at least 1"],
    ),
    (
        "average that is its own callback's word",
        "--trainer.callbacks+=WeightEMA --trainer.callbacks.decay 2",
        ["error: decay of WeightEMA must be in"],
    ),
    (
        "penalty that is no number",
        "--model.penalty_weight .nan",
        ["model.penalty_weight must be a finite number of at least 0, got nan"],
    ),
    ("empty batches", "--data.batch_size 0", ["data.batch_size", "at least 1"]),
    ("too large batches", "--data.batch_size 64", ["data.batch_size", "at most 32"]),
    (
        "no noise",
        "--model.generator.latent_dim 0",
        ["MLPGenerator: latent_dim must be at least 1"],
    ),
    (
        "no neurons",
        "--model.critic.hidden [0]",
        ["MLPCritic: ", "hidden", "at least 1"],
    ),
    (
        "missing data",
        "--data MNIST --data.root nowhere --data.download false",
        ["data.root", "nowhere/MNIST/raw", "data.download: true"],
    ),
    (
        "networks for other data",
        "--data Digits --data.n_held_out 1780",
        ["[2]", "[1, 8, 8]", "model.generator"],
    ),
    (
        "side that a network can't make",
        "--model.generator ResNetGenerator --model.generator.shape [3,28,28]",
        ["ResNetGenerator", "28"],
    ),
    (
        "norm that a penalty can't have",
        "--model.critic.norm batch",
        ["error: model.critic has BatchNorm", "'layer'"],
    ),
    (
        "found out in set-up, after the logger was made",
        "--data Digits --data.n_held_out 1780 --model.generator.shape [1,8,8] "
        "--model.critic.shape [1,8,8] --trainer.callbacks+=ModeCoverageMonitor",
        ["ModeCoverageMonitor", "Digits", "trainer.callbacks"],
    ),
]


@each_of(MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, named: list[str]
) -> None:
    check_mistake(run, words, named)


def write_idx(path: Path, *sizes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
    path.write_bytes(head + bytes(torch.Size(sizes).numel()))


def test_a_truncated_data_file_is_named(run: Run) -> None:
    raw = Path("data", "MNIST", "raw")
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", 20, 28, 28)
        write_idx(raw / f"{part}-labels-idx1-ubyte", 20)
    cut = raw / "train-images-idx3-ubyte"
    cut.write_bytes(cut.read_bytes()[:-100])
    code, sentence = run(
        "fit", "--config", "tiny.yaml", "--data=MNIST", "--data.n_val=4"
    )
    assert code == 2
    assert str(cut) in sentence
    assert traces() == ["data"]


def test_a_truncated_pickle_is_named(run: Run) -> None:
    batches = Path("data", "cifar-10-batches-py")
    batches.mkdir(parents=True)
    for name in [
        *(f"data_batch_{i}" for i in range(1, 6)),
        "test_batch",
        "batches.meta",
    ]:
        (batches / name).write_bytes(b"\x80\x04\x95")
    code, sentence = run("fit", "--config", "tiny.yaml", "--data", "CIFAR10")
    assert code == 2
    assert "data.root" in sentence
    assert str(batches) in sentence
    assert traces() == ["data"]


def test_a_damaged_archive_is_named_where_it_cannot_be_replaced(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    cut = Path("data/MNIST/raw/train-labels-idx1-ubyte.gz")
    cut.parent.mkdir(parents=True)
    cut.write_bytes(b"half")
    words = ("--data", "MNIST", "--data.download", "true")
    code, sentence = run("fit", "--config", "tiny.yaml", *words)
    assert code == 2
    assert f"{cut} is cut off or damaged" in sentence
    assert "could not be fetched" in sentence
    code, sentence = run("fit", "--config", "tiny.yaml", *words, "--data.root", "a/b")
    assert code == 2
    assert "could not be fetched into a/b" in sentence
    assert traces() == ["data"]


def test_a_run_is_trained_resumed_measured_and_sampled_from(run: Run) -> None:
    call = ("--config", "tiny.yaml")
    assert run("fit", *call) == (0, "")
    first = Path("runs/tiny/version_0")
    assert (first / "config.yaml").is_file()
    last = first / "checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 2
    resumed = run("fit", *call, "--ckpt_path", last, "--trainer.max_steps", "4")
    assert resumed == (0, "")
    assert torch.load(last, weights_only=True)["global_step"] == 4
    assert run("validate", *call, "--ckpt_path", last) == (0, "")
    assert run("test", *call, "--ckpt_path", last) == (0, "")
    writer = f"--trainer.callbacks+={SampleWriter.__name__}"
    assert run("predict", *call, "--ckpt_path", last, writer) == (0, "")
    (samples,) = Path("runs").rglob("samples.pt")
    assert torch.load(samples, weights_only=True).shape == (5, 2)


def test_every_subcommand_says_once_what_data_it_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tiny())
    for subcommand in ("fit", "validate", "test", "predict"):
        capsys.readouterr()
        assert app.main([subcommand, "--config", "tiny.yaml"]) == 0
        err = capsys.readouterr().err.splitlines()
        found = "48 rows of 2 (train 32, val 8, test 8)"
        none = "not read, as nothing of it is needed"
        found = none if subcommand == "predict" else found
        said = [line for line in err if line.startswith("data: ")]
        assert said == [f"data: PointClouds ring8: {found}."]


def test_measuring_untrained_networks_is_remarked_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tiny())
    assert app.main(["validate", "--config", "tiny.yaml"]) == 0
    assert "without --ckpt_path the networks are untrained" in capsys.readouterr().err


def test_short_options_reach_the_optimizer(run: Run) -> None:
    assert (
        run("fit", "--config", "tiny.yaml", "--model.critic_optimizer.lr", "3e-4")[0]
        == 0
    )
    checkpoint = torch.load(
        "runs/tiny/version_0/checkpoints/last.ckpt", weights_only=True
    )
    critic, generator = checkpoint["optimizer_states"]
    assert critic["param_groups"][0]["lr"] == 3e-4
    assert critic["param_groups"][0]["betas"] == (0.0, 0.9)
    assert generator["param_groups"][0]["lr"] == 1e-4


def test_the_printed_config_is_the_config(capsys: pytest.CaptureFixture[str]) -> None:
    write(tiny())

    def printed(path: str) -> str:
        with pytest.raises(SystemExit) as end:
            app.main(["fit", "--config", path, "--print_config"])
        assert end.value.code in (0, None)
        return capsys.readouterr().out

    once = printed("tiny.yaml")
    assert "Unable to serialize" not in once
    Path("once.yaml").write_text(once)
    assert printed("once.yaml") == once


def test_help_names_the_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        app.main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for words in (
        "resumes a run",
        "validation set",
        "test set",
        "Write a checkpoint's samples",
    ):
        assert words in " ".join(text.split())


def test_a_mistake_spares_earlier_runs(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml")[0] == 0
    before = sorted(Path("runs").rglob("*"))
    code, _ = run(
        *("fit", "--config", "tiny.yaml", "--data", "Digits"),
        *("--model.generator.shape", "[1,8,8]", "--model.critic.shape", "[1,8,8]"),
        "--trainer.callbacks+=ModeCoverageMonitor",
    )
    assert code == 2
    assert sorted(Path("runs").rglob("*")) == before


@pytest.mark.parametrize("bug", [TypeError, ValueError, RuntimeError])
def test_a_bug_keeps_its_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, bug: type[Exception]
) -> None:
    def broken(*_: Any) -> None:
        raise bug("from a test, which is no package of ours")

    monkeypatch.setattr(WGANGP, "critic_loss", broken)
    with pytest.raises(bug, match="no package of ours"):
        run("fit", "--config", "tiny.yaml")


def test_the_traceback_of_a_mistake_can_be_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WASSERSTEIN_TRACEBACK", "1")
    with pytest.raises(ValueError, match="n_critic"):
        run("fit", "--config", "tiny.yaml", "--model.n_critic", "0")


def test_a_mistake_in_forked_processes_ends_in_one_sentence(run: Run) -> None:
    code, sentence = run(
        *("fit", "--config", "tiny.yaml", "--data", "Digits", "--trainer.devices", "2"),
        *("--trainer.strategy", "ddp_fork", "--trainer.callbacks+=ModeCoverageMonitor"),
        *("--model.generator.shape", "[1,8,8]", "--model.critic.shape", "[1,8,8]"),
    )
    assert code == 2
    assert "ModeCoverageMonitor" in sentence


@pytest.mark.long("starts processes")
def test_two_devices_alone_start_two_processes(repository: Path) -> None:
    write(tiny())
    words = ["fit", "--config", "tiny.yaml", "--trainer.devices", "2"]
    done = subprocess.run(
        [sys.executable, repository / "train.py", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^run: step 0 to 2 in 0:00:\d\d, 2 processes", done.stderr, re.M)
    told = json.loads(Path("runs/tiny/version_0/run.json").read_text())
    assert told["processes"] == 2
    last = Path("runs/tiny/version_0/checkpoints/last.ckpt")
    checkpoint = torch.load(last, weights_only=True)
    assert checkpoint["global_step"] == 2
    assert len(checkpoint["noise"]) == 2


FUNCTIONS = [
    ("model.init_args.critic", "torch.fx.graph_module.reduce_graph_module"),
    ("model.init_args.generator", "torch.nn.utils.spectral_norm"),
    ("model.init_args.critic_optimizer", "os._exit"),
    ("data", "subprocess.Popen"),
    ("trainer.callbacks", "torch.load"),
]


@pytest.mark.parametrize(("key", "path"), FUNCTIONS)
@pytest.mark.parametrize("form", ["spec", "list", "path"])
def test_a_config_names_classes_and_calls_no_function(
    key: str, path: str, form: str, run: Run
) -> None:
    config: Any = tiny()
    *nodes, last = key.split(".")
    node = config
    for name in nodes:
        node = node[name]
    one = {"class_path": path, "init_args": {"body": {}, "import_block": "1"}}
    node[last] = {"spec": one, "list": [one], "path": path}[form]
    write(config)
    code, sentence = run("fit", "--config", "tiny.yaml")
    assert code == 2
    assert len(sentence) < 320
    assert traces() == []
    if form == "spec" and key != "trainer.callbacks":
        assert f"'{path}' is not built" in sentence


DIVERGES = ["torch.optim.SGD", "--model.optimizer.lr", "1e30"]
DIVERGING: dict[str, list[str]] = {
    "tiny": [
        *("--model.generator_optimizer", "torch.optim.SGD", "--trainer.max_steps", "9"),
        *("--model.generator_optimizer.lr", "1e30", "--trainer.callbacks+=WeightEMA"),
        "--trainer.callbacks+=ExportNetwork",
    ],
    "bpr/planted": ["--trainer.max_epochs", "2", "--model.optimizer", *DIVERGES],
    "metric_learner/wine": ["--model.optimizer", *DIVERGES],
}


@pytest.mark.parametrize("name", DIVERGING)
def test_a_run_that_diverges_ends_in_a_sentence_and_leaves_finite_files(
    name: str, run: Run
) -> None:
    config = Path("tiny.yaml") if name == "tiny" else CONFIGS / f"{name}.yaml"
    quiet = ["--trainer.enable_progress_bar", "false"]
    code, sentence = run("fit", "--config", config, *quiet, *DIVERGING[name])
    assert code == 1
    assert "start again with a smaller model." in sentence
    assert " step " in sentence
    saved = sorted(Path("runs").rglob("*.ckpt"))
    assert ("last good checkpoint is" in sentence) == bool(saved)
    for path in saved:
        state = torch.load(path, weights_only=True)["state_dict"]
        assert all(value.isfinite().all() for value in state.values())
    assert not [*Path("runs").rglob("*.safetensors"), *Path("runs").rglob("*.parquet")]


def test_forked_processes_that_diverge_end_with_exit_code_1(run: Run) -> None:
    more = ["--trainer.devices", "2", "--trainer.strategy", "ddp_fork"]
    code, sentence = run("fit", "--config", "tiny.yaml", *DIVERGING["tiny"], *more)
    assert code == 1
    assert "start again with a smaller model." in sentence
