import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml

from callbacks import SampleWriter
from lightning_modules import WGANGP
from wasserstein_critics.cli import app

Run = Callable[..., tuple[int, str]]

# The tiny runs are shorter than any interval and write where an earlier one wrote.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Checkpoint directory .* exists and is not empty"
    ),
    # a resumed run writes into a directory of its own
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
    # forking is safe here: no accelerator is in use
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


def tiny(method: str = "WGANGP", **trainer: Any) -> dict[str, Any]:
    return {
        "model": {
            "class_path": method,
            "init_args": {
                "generator": {
                    "class_path": "MLPGenerator",
                    "init_args": {"latent_dim": 2, "shape": [2], "hidden": [8]},
                },
                "critic": {
                    "class_path": "MLPCritic",
                    "init_args": {"shape": [2], "hidden": [8]},
                },
                "n_critic": 2,
            },
        },
        "data": {
            "class_path": "PointClouds",
            "init_args": {
                "name": "ring8",
                "batch_size": 4,
                "n_train": 32,
                "n_val": 8,
                "n_test": 8,
                "n_predict": 5,
            },
        },
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_steps": 2,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": {
                "class_path": "CSVLogger",
                "init_args": {"save_dir": "runs", "name": "tiny"},
            },
            "callbacks": [
                {
                    "class_path": "callbacks.Checkpoint",
                    "init_args": {"save_last": True, "every_n_train_steps": 1},
                }
            ],
            **trainer,
        },
    }


def write(config: dict[str, Any], path: Path = Path("tiny.yaml")) -> Path:
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line; returns its exit code and the sentences on stderr."""
    write(tiny())

    def call(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = app.main([str(word) for word in words])
        lines = capsys.readouterr().err.splitlines()
        assert not any("Traceback" in line for line in lines)
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == (code != 0)
        return code, "".join(errors)

    return call


def traces() -> list[str]:
    """What a run leaves behind."""
    return sorted(p.name for p in Path.cwd().iterdir() if p.suffix != ".yaml")


@pytest.fixture(scope="module")
def gan_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("gan")
    config = tiny("GAN", default_root_dir=str(home), logger=False)
    path = write(config, home / "gan.yaml")
    assert app.main(["fit", "--config", str(path)]) == 0
    return home / "checkpoints" / "last.ckpt"


MISTAKES: list[tuple[str, str, list[str]]] = [
    # what is wrong, the command line, what the sentence names
    ("unknown key", "--model.n_critik 3", ["model.n_critik", "'n_critic'"]),
    (
        "unknown key of a network",
        "--model.generator.hiden [8]",
        ["model.generator.hiden", "MLPGenerator", "'hidden'"],
    ),
    (
        "unknown key of an optimizer",
        "--model.critic_optimizer.learning 1",
        ["model.critic_optimizer.learning", "WGANGPAdam", "betas, lr, weight_decay"],
    ),
    ("unknown key of the data", "--data.batchsize 3", ["PointClouds", "'batch_size'"]),
    ("unknown flag", "--trainer.max_stepz 3", ["'trainer.max_steps'"]),
    ("abbreviated flag", "--trainer.max_step 3", ["'trainer.max_steps'"]),
    ("unknown section", "--modell.n_critic 3", ["modell", "'model'"]),
    ("stray word", "--whatever 3", ["unknown key whatever"]),
    (
        "text for a number",
        "--model.n_critic x",
        ["model.n_critic", "whole number", "'x'"],
    ),
    ("fraction for a count", "--trainer.max_steps 1.5", ["trainer.max_steps", "1.5"]),
    ("text for an optional", "--model.critic_clip_norm x", ["a number or null", "'x'"]),
    (
        "text for a rate",
        "--model.critic_optimizer.lr x",
        ["model.critic_optimizer.lr must be a number"],
    ),
    (
        "text for a rate of a schedule",
        "--model.critic_scheduler LinearLR --model.critic_scheduler.start_factor x",
        ["model.critic_scheduler.start_factor must be a number, but is 'x'"],
    ),
    ("number for a list", "--model.critic.hidden 3", ["model.critic.hidden", "a list"]),
    (
        "word that is no choice",
        "--data.name ring9",
        ["data.name", "'ring8'", "'ring9'"],
    ),
    ("precision", "--trainer.precision 17", ["trainer.precision", "'bf16-mixed'"]),
    (
        "seed",
        "--seed_everything x",
        ["seed_everything must be true or false or a whole"],
    ),
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
    (
        "rate that is no number and that torch takes",
        "--model.critic_optimizer SGD --model.critic_optimizer.lr .nan",
        ["model.critic_optimizer.lr", "nan"],
    ),
    (
        "schedule that is no number and that torch takes",
        "--model.critic_scheduler LinearLR --model.critic_scheduler.start_factor .nan",
        ["model.critic_scheduler.start_factor", "nan"],
    ),
    ("empty batches", "--data.batch_size 0", ["data.batch_size", "at least 1"]),
    ("too large batches", "--data.batch_size 64", ["data.batch_size", "at most 32"]),
    ("unknown model", "--model WGANN", ["model", "'WGANN'", "'WGAN'"]),
    ("unknown data", "--data MNISTT", ["data", "'MNIST'"]),
    ("unknown network", "--model.critic MLPCritik", ["model.critic", "'MLPCritic'"]),
    ("unknown package", "--model.critic nowhere.Net", ["model.critic", "nowhere.Net"]),
    ("unknown callback", "--trainer.callbacks+=SampleGrit", ["'SampleGrid'"]),
    (
        "class of another kind",
        "--model.critic PointClouds",
        ["model.critic can't be PointClouds"],
    ),
    (
        "word that is no choice of a callback",
        "--trainer.callbacks+=FeatureMap --trainer.callbacks.method=umap",
        ["trainer.callbacks.method must be one of 'pca', 'tsne', 'both', but is 'umap"],
    ),
    (
        "argument at the height of its class, in one word",
        '--data {"class_path":"PointClouds","seed":3}',
        ["data.seed stands beside class_path: move it under init_args of PointClouds"],
    ),
    (
        "optimizer misspelt",
        "--model.critic_optimizr.lr 1",
        ["unknown key model.critic_optimizr.lr", "'critic_optimizer'"],
    ),
    (
        "class without what it needs",
        "--model.critic torch.nn.Linear",
        ["model.critic lacks in_features", "set model.critic.in_features"],
    ),
    ("no such config", "--config nope.yaml", ["nope.yaml", "--config"]),
    ("config is a directory", "--config .", ["--config"]),
    ("nothing after a key", "--ckpt_path", ["--ckpt_path needs a value"]),
    ("nothing after a nested key", "--data.n_val", ["--data.n_val needs a value"]),
    (
        "nothing between two keys",
        "--data.n_val 8 --model.critic.hidden --model.n_critic 1",
        ["--model.critic.hidden needs a value"],
    ),
    (
        "nothing after a key of a callback",
        "--trainer.callbacks+=FeatureMap --trainer.callbacks.method",
        ["--trainer.callbacks.method needs a value"],
    ),
    ("no such checkpoint", "--ckpt_path nope.ckpt", ["ckpt_path", "nope.ckpt"]),
    (
        "clipping by the trainer",
        "--trainer.gradient_clip_val 1.0",
        ["trainer.gradient_clip_val", "model.critic_clip_norm", "generator_clip_norm"],
    ),
    (
        "accumulation by the trainer",
        "--trainer.accumulate_grad_batches 2",
        ["trainer.accumulate_grad_batches", "data.batch_size"],
    ),
    (
        "synchronised norms below a penalty",
        "--trainer.sync_batchnorm true",
        ["trainer.sync_batchnorm", "norm", "'layer'"],
    ),
    ("FSDP", "--trainer.strategy fsdp", ["trainer.strategy 'fsdp'", "'ddp'"]),
    (
        "DeepSpeed",
        "--trainer.strategy deepspeed_stage_2",
        ["deepspeed_stage_2", "'ddp'"],
    ),
    (
        "FSDP2",
        "--trainer.strategy ModelParallelStrategy",
        ["ModelParallelStrategy", "'ddp'"],
    ),
    (
        "DDP that does not look for unused weights",
        "--trainer.strategy ddp_find_unused_parameters_false",
        ["trainer.strategy", "find_unused_parameters", "'ddp'"],
    ),
    *(
        (
            f"weights of another type, {precision}",
            f"--trainer.precision {precision}",
            ["trainer.precision", precision, "'32-true' or 'bf16-mixed'"],
        )
        for precision in ("64-true", "64", "bf16-true", "16-true")
    ),
    (
        "negative rate of the critic",
        "--model.critic_optimizer.lr -1",
        ["model.critic_optimizer", "learning rate", "-1.0"],
    ),
    (
        "negative rate of the generator",
        "--model.generator_optimizer.lr -1",
        ["model.generator_optimizer", "learning rate", "-1.0"],
    ),
    (
        "schedule that torch refuses",
        "--model.critic_scheduler LinearLR --model.critic_scheduler.start_factor 2",
        ["model.critic_scheduler", "multiplicative factor"],
    ),
    (
        "negative rate of a classifier",
        "--model Classifier --model.network ConvClassifier --data Digits "
        "--model.network.shape [1,8,8] --model.optimizer Adam --model.optimizer.lr -1",
        ["model.optimizer", "learning rate", "-1.0"],
    ),
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
    ("unknown strategy", "--trainer.strategy nonsense", ["strategy", "nonsense"]),
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


@pytest.mark.parametrize(
    ("words", "named"),
    [case[1:] for case in MISTAKES],
    ids=[case[0] for case in MISTAKES],
)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, named: list[str]
) -> None:
    code, sentence = run("fit", "--config", "tiny.yaml", *words.split())
    assert code == 2
    for name in named:
        assert name in sentence
    assert len(sentence) < 320
    assert "knows ." not in sentence
    assert traces() == []


def test_a_gpu_that_is_not_there_is_missed_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    code, sentence = run("fit", "--config", "tiny.yaml", "--trainer.accelerator", "gpu")
    assert code == 2
    assert "trainer.accelerator 'gpu'" in sentence
    assert "'cpu'" in sentence


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"model: [\n  a: b: c\n", "line 2"),
        (b"\xff\xfe\x00\x81", "not a text file"),
        (b"a few words", "holds no keys"),
        (b"trainer: {max_stepz: 3}", "'trainer.max_steps'"),
        (b"model: {init_args: {generator: {init_args: {hiden: 3}}}}", "'hidden'"),
        (b"trainer: {callbacks: [{class_path: SampleGrit}]}", "'SampleGrid'"),
        (b"trainer: {callbacks: [{class_path: SampleGrid, init_args: {n: 3}}]}", "'n'"),
        (
            b"trainer: {callbacks: [{class_path: FeatureMap, init_args: {method: x}}]}",
            "method must be one of 'pca', 'tsne', 'both', but is 'x'",
        ),
        (b"trainer: {callbacks: {n: 3}}", "name the Callback by its class_path"),
        (b"data: 3", "data must be a LightningDataModule with its class_path, but"),
        (
            b"model: {init_args: {critic: 3}}",
            "model.critic must be a Module with its class_path, but is '3'",
        ),
        (
            b"data: {class_path: PointClouds, init_arg: {seed: 3}}",
            "unknown key data.init_arg beside class_path; did you mean 'init_args'?",
        ),
        *(
            (content, f"{key} stands beside class_path: move it under init_args of")
            for content, key in (
                (b"data: {class_path: PointClouds, seed: 3}", "data.seed"),
                (
                    b"data: {class_path: PointClouds, init_args: {n_val: 8}, seed: 3}",
                    "data.seed",
                ),
                (b"model: {class_path: WGANGP, n_critic: 3}", "model.n_critic"),
                (
                    b"model: {init_args: {critic: {class_path: MLPCritic, shape: 2}}}",
                    "model.critic.shape",
                ),
                (
                    b"model: {init_args: {critic_optimizer: {class_path: SGD, lr: 1}}}",
                    "model.critic_optimizer.lr",
                ),
                (
                    b"trainer: {callbacks: [{class_path: SampleGrid, seed: 3}]}",
                    "trainer.callbacks.seed",
                ),
            )
        ),
    ],
)
def test_a_broken_config_file_is_told_in_one_sentence(
    run: Run, content: bytes, named: str
) -> None:
    Path("broken.yaml").write_bytes(content)
    code, sentence = run("fit", "--config", "tiny.yaml", "--config=broken.yaml")
    assert code == 2
    assert named in sentence
    assert traces() == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "subcommand comes first"),
        (["fitt"], "'fitt'"),
        (["--config", "tiny.yaml", "fit"], "subcommand comes first"),
        (["fit"], "missing data and model: name a config"),
    ],
)
def test_an_incomplete_command_is_told_how_to_go_on(
    run: Run, words: list[str], named: str
) -> None:
    code, sentence = run(*words)
    assert code == 2
    assert named in sentence
    assert "configs/wgan_gp/digits.yaml" in sentence or words == ["fitt"]


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


# Checkpoints --------------------------------------------------------------------------


@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
def test_a_checkpoint_of_another_method_is_refused(
    run: Run, subcommand: str, gan_checkpoint: Path
) -> None:
    code, sentence = run(
        subcommand, "--config", "tiny.yaml", "--ckpt_path", gan_checkpoint
    )
    assert code == 2
    assert "written by GAN but the config says WGANGP" in sentence
    assert traces() == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--model.critic.hidden", "[9]"], "model.critic.hidden is [9]"),
        (["--model.generator.latent_dim", "3"], "model.generator.latent_dim is 3"),
        (["--model.critic", "ConvCritic"], "model.critic is ConvCritic"),
    ],
)
def test_a_checkpoint_of_other_networks_is_refused(
    run: Run, gan_checkpoint: Path, words: list[str], named: str
) -> None:
    write(tiny("GAN"))
    if "ConvCritic" in words:
        words = [*words, "--model.critic.shape", "[1,8,8]"]
    code, sentence = run(
        "test", "--config", "tiny.yaml", "--ckpt_path", gan_checkpoint, *words
    )
    assert code == 2
    assert named in sentence


@pytest.mark.parametrize("damage", ["truncated", "of_another_program", "text"])
def test_a_file_that_is_no_checkpoint_is_refused(
    run: Run, damage: str, gan_checkpoint: Path
) -> None:
    path = Path("damaged.yaml")
    if damage == "of_another_program":
        torch.save({"weights": torch.zeros(2)}, path)
    elif damage == "text":
        path.write_text("not a checkpoint")
    else:
        path.write_bytes(gan_checkpoint.read_bytes()[:-1000])
    code, sentence = run("test", "--config", "tiny.yaml", "--ckpt_path", path)
    assert code == 2
    assert "damaged.yaml" in sentence
    assert "not a whole checkpoint" in sentence


@pytest.mark.parametrize("foreign", ["bare_weights", "another_program", "no_class"])
def test_weights_of_another_program_are_refused(
    run: Run, foreign: str, gan_checkpoint: Path
) -> None:
    write(tiny("GAN"))
    content = torch.load(gan_checkpoint, weights_only=True)
    if foreign == "bare_weights":
        content = {"state_dict": content["state_dict"]}
    elif foreign == "another_program":
        del content["hyper_parameters"]
    else:
        content["hyper_parameters"] = {"lr": 0.1}
    torch.save(content, "foreign.yaml")
    code, sentence = run("fit", "--config", "tiny.yaml", "--ckpt_path", "foreign.yaml")
    assert code == 2
    assert "'foreign.yaml' holds weights but was not written by this" in sentence
    assert traces() == []


@pytest.mark.parametrize("alias", ["last", "best", "hpc"])
@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
def test_a_checkpoint_is_asked_for_by_its_file(
    run: Run, subcommand: str, alias: str
) -> None:
    words = (subcommand, "--config", "tiny.yaml", "--ckpt_path", alias)
    code, sentence = run(*words)
    assert code == 2
    assert f"ckpt_path '{alias}'" in sentence
    assert "name the file, e.g. runs/<name>/version_<n>/checkpoints/last" in sentence
    assert traces() == []


def test_the_newest_checkpoint_is_proposed_in_place_of_an_alias(run: Run) -> None:
    for age, (run_name, file) in enumerate(
        [("tiny/version_3", "last"), ("tiny/version_10", "last"), ("tiny/version_9", 0)]
    ):
        path = Path("runs", run_name, "checkpoints", f"{file}.ckpt")
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1_000 - age % 2, 1_000 - age % 2))
    words = ("test", "--config", "tiny.yaml", "--ckpt_path", "last")
    code, sentence = run(*words)
    assert code == 2
    assert "e.g. runs/tiny/version_3/checkpoints/last.ckpt." in sentence
    os.utime(path, (2_000, 2_000))
    assert "e.g. runs/tiny/version_9/checkpoints/0.ckpt." in run(*words)[1]
    no_logger = run(*words, "--trainer.logger", "false")[1]
    assert "version_<n>/checkpoints/last.ckpt" in no_logger


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


# Runs ---------------------------------------------------------------------------------


def test_a_run_is_trained_resumed_measured_and_sampled_from(run: Run) -> None:
    call = ("--config", "tiny.yaml")
    assert run("fit", *call) == (0, "")
    first = Path("runs/tiny/version_0")
    assert (first / "config.yaml").is_file()
    last = first / "checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 2
    resumed = run("fit", *call, "--ckpt_path", last, "--trainer.max_steps", "4")
    assert resumed == (0, "")
    last = Path("runs/tiny/version_1/checkpoints/last.ckpt")
    assert torch.load(last, weights_only=True)["global_step"] == 4
    assert run("validate", *call, "--ckpt_path", last) == (0, "")
    assert run("test", *call, "--ckpt_path", last) == (0, "")
    writer = f"--trainer.callbacks+={SampleWriter.__name__}"
    assert run("predict", *call, "--ckpt_path", last, writer) == (0, "")
    (samples,) = Path("runs").rglob("samples.pt")
    assert torch.load(samples, weights_only=True).shape == (5, 2)


def test_a_resumed_run_may_change_what_is_no_network(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    last = "runs/tiny/version_0/checkpoints/last.ckpt"
    words = ("--model.penalty_weight", "3", "--trainer.max_steps", "3")
    assert run("fit", "--config", "tiny.yaml", "--ckpt_path", last, *words) == (0, "")
    written = yaml.safe_load(Path("runs/tiny/version_1/config.yaml").read_text())
    assert written["model"]["init_args"]["penalty_weight"] == 3
    last = "runs/tiny/version_1/checkpoints/last.ckpt"
    assert WGANGP.load_from_checkpoint(last).penalty_weight == 3


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
    for words in ("resumes a run", "validation data", "test data", "Draw samples"):
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


# Bugs ---------------------------------------------------------------------------------


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


# Processes ----------------------------------------------------------------------------


def test_a_mistake_in_forked_processes_ends_in_one_sentence(run: Run) -> None:
    code, sentence = run(
        *("fit", "--config", "tiny.yaml", "--data", "Digits", "--trainer.devices", "2"),
        *("--trainer.strategy", "ddp_fork", "--trainer.callbacks+=ModeCoverageMonitor"),
        *("--model.generator.shape", "[1,8,8]", "--model.critic.shape", "[1,8,8]"),
    )
    assert code == 2
    assert "ModeCoverageMonitor" in sentence


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
    assert "2 processes" in done.stderr + done.stdout
    last = Path("runs/tiny/version_0/checkpoints/last.ckpt")
    checkpoint = torch.load(last, weights_only=True)
    assert checkpoint["global_step"] == 2
    assert len(checkpoint["noise"]) == 2
