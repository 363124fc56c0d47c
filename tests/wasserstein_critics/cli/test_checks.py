import inspect
import re
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import dict_to_namespace
from lightning.pytorch import Trainer

import callbacks
import datamodules
from lightning_modules.core.public_names import accepted_names
from tests.support import small_data
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
from wasserstein_critics.cli.app import CLI, command_line
from wasserstein_critics.cli.errors import UsageError, explain
from wasserstein_critics.cli.flags import check_values

pytestmark = QUIET


DOMAINS = (
    "--model WDGRL --model.n_classes 2 --model.critic.shape [4] "
    "--model.extractor MLPExtractor --model.extractor.shape [2] "
    "--model.extractor.hidden [4] --model.classifier LinearClassifier "
    "--model.classifier.n_features 4 --model.classifier.n_classes 2 "
    "--data MNIST --data.root nowhere --data.download false"
)
MISTAKES: list[Mistake] = [
    (
        "labelled rows for a generator",
        "--data LabelledTable",
        ["WGANGP takes one set of samples", "LabelledTable", "Digits"],
    ),
    (
        "interactions for a generator",
        "--data PlantedInteractions",
        ["WGANGP takes one set of samples", "PlantedInteractions"],
    ),
    (
        "one set of samples, which is not even there, for two domains",
        DOMAINS,
        ["WDGRL takes a source and a target domain", "MNIST", "DigitsShift"],
    ),
    (
        "images for a ranker",
        "--model CML --data Digits",
        ["CML takes interactions of users and items", "Digits"],
    ),
    (
        "rate that is no number and that torch takes",
        "--model.critic_optimizer SGD --model.critic_optimizer.lr .nan",
        ["model.critic_optimizer.lr", "NaN"],
    ),
    (
        "schedule that is no number and that torch takes",
        "--model.critic_scheduler LinearLR --model.critic_scheduler.start_factor .nan",
        ["model.critic_scheduler.start_factor", "NaN"],
    ),
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
    (
        "monitor that nothing measures",
        "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor=val/slicedwass",
        ["EarlyStopping", "'val/slicedwass'", "monitor 'val/sliced_wasserstein'"],
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
        "samples of another width for a generator",
        "--data Digits",
        ["generator", "data has shape [1, 8, 8]", "model.generator's shape"],
    ),
    (
        "rows of another width for a metric",
        "--model MetricLearner --model.network LinearMap --model.network.shape [13] "
        "--data LabelledTable --data.table iris",
        ["samples of shape [4]", "set --model.network.shape [4]"],
    ),
    (
        "rows of another width for an extractor",
        DOMAINS.split("--data ")[0].replace("shape [2]", "shape [3]")
        + "--data ShiftedBlobs",
        ["extractor", "samples of shape [2]", "make the shape of model.extractor fit"],
    ),
    (
        "images of another size for a classifier",
        "--model Classifier --model.network ConvClassifier --data Digits "
        "--model.network.shape [1,28,28]",
        ["samples of shape [1,8,8]", "set --model.network.shape [1,8,8]"],
    ),
    (
        "more classes than a classifier has",
        "--model Classifier --model.network ConvClassifier --data Digits "
        "--model.network.shape [1,8,8] --model.network.n_classes 4 --model.n_classes 4",
        ["model.n_classes is 4", "the data has 10", "--model.network.n_classes 10"],
    ),
    (
        "fewer logits than classes",
        "--model Classifier --model.network ConvClassifier --data Digits "
        "--model.network.shape [1,8,8] --model.network.n_classes 4",
        ["gives 4 logits for 10 classes", "--model.network.n_classes 10"],
    ),
    ("unknown strategy", "--trainer.strategy nonsense", ["strategy", "nonsense"]),
]


SEED = "seed_everything must be a whole number from 0 to 4294967295, but is "
OUT_OF_RANGE = [
    *((f"--seed_everything {v}", SEED + v) for v in ("-1", "4294967296", "true")),
    ("--seed_everything false", SEED + "false"),
    ("--seed_everything null", "seed_everything must be a whole number, but is"),
    ("--trainer.val_check_interval 0", "trainer.val_check_interval must be above 0"),
    ("--trainer.val_check_interval 0.0", "trainer.val_check_interval must be above 0"),
    ("--trainer.val_check_interval 1000", "number of the training batches (8)"),
    *(
        (f"--trainer.check_val_every_n_epoch {v}", "check_val_every_n_epoch must be at")
        for v in (0, -1)
    ),
    ("--trainer.log_every_n_steps -1", "trainer.log_every_n_steps must be at least 0"),
    ("--trainer.num_sanity_val_steps -2", "num_sanity_val_steps must be at least -1"),
    *(
        (f"--trainer.devices {v}", f"must be a number of processes .* is '{v}'")
        for v in ("-2", "-1", "0", "abc")
    ),
    ("--trainer.max_steps 0", "trainer.max_steps is 0, so that nothing would be"),
    ("--trainer.max_epochs 0", "trainer.max_epochs is 0, so that nothing would be"),
    ("--trainer.limit_train_batches 0", "trainer.limit_train_batches is 0, so that"),
    ("--config=", "--config names no file"),
    ("--ckpt_path=", "ckpt_path is empty"),
    ("--data.seed -1", "data.seed must be a whole number from 0 to 4294967295"),
    ("--data.batch_size -1", "data.batch_size must be at least 1"),
    ("--data.num_workers -1", "data.num_workers must be at least 0"),
    ("--trainer.devices 10000000", "trainer.devices is 10000000, which would start"),
    *(
        (f"--trainer.min_{u} -5", f"trainer.min_{u} must be")
        for u in ("steps", "epochs")
    ),
    ("--trainer.min_steps 100", "trainer.min_steps is 100 and trainer.max_steps is 2"),
    ("--trainer.max_time 00:00:00:00", "trainer.max_time is 00:00:00:00, so that"),
    (
        "--model.critic_scheduler LinearDecay --model.critic_scheduler.total_iters 0",
        "model.critic_scheduler.total_iters must be at least 1, got 0",
    ),
    (
        "--model.critic_scheduler StepLR --model.critic_scheduler.step_size 0",
        "model.critic_scheduler.step_size must be at least 1, got 0",
    ),
    ("--trainer.callbacks {}", "trainer.callbacks must be a list or a Callback"),
    ("--trainer.model_registry mine", "trainer.model_registry has no effect here"),
    ("--model.critic_optimizer SparseAdam", "critic_optimizer SparseAdam takes the"),
    ("--model.critic_optimizer LBFGS", "LBFGS evaluates the loss several times"),
    ("--model.critic.hidden [10000000,10000000]", "MLPCritic: hidden .* needs more"),
    (
        "--trainer.logger WandbLogger --trainer.logger.project a/b",
        "trainer.logger.project must have",
    ),
    (
        "--model MetricLearner --model.network LinearMap --model.network.shape [13] "
        "--data LabelledTable --model.k 100000",
        "model.k is 100000, but there are 106 reference rows: set it to at most 106",
    ),
]


@pytest.mark.parametrize(("words", "says"), OUT_OF_RANGE)
def test_a_value_out_of_range_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, says: str
) -> None:
    code, sentence = run("fit", "--config", "tiny.yaml", *words.split())
    assert code == 2
    assert re.search(says.replace("(8)", r"\(8\)"), sentence)
    assert traces() == []


def test_a_mode_that_wandb_does_not_have_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "banana")
    words = ("fit", "--config", "tiny.yaml", "--trainer.logger", "WandbLogger")
    code, sentence = run(*words)
    assert code == 2
    assert "WANDB_MODE is 'banana' in the environment: set it to one of" in sentence
    assert traces() == []


# A sweep ------------------------------------------------------------------------------

ODD_VALUES = ("-5", "abc", "{a: 1}")
TYPED = (
    *("max_steps", "min_steps", "max_epochs", "min_epochs", "devices", "num_nodes"),
    *("limit_train_batches", "limit_val_batches", "limit_test_batches", "precision"),
    *("limit_predict_batches", "overfit_batches", "log_every_n_steps", "profiler"),
    *("val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps"),
    *("accumulate_grad_batches", "reload_dataloaders_every_n_epochs", "max_time"),
    *("fast_dev_run", "gradient_clip_algorithm", "accelerator", "strategy"),
    *("deterministic", "benchmark", "inference_mode", "detect_anomaly", "callbacks"),
    *("logger", "plugins", "sync_batchnorm", "enable_checkpointing"),
    *("use_distributed_sampler", "enable_model_summary"),
)


@pytest.mark.long("each flag with each odd value")
def test_every_flag_of_the_trainer_refuses_odd_values_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tiny())
    monkeypatch.setattr(CLI, "before_instantiate_classes", lambda _: None)
    monkeypatch.setattr(CLI, "instantiate_classes", lambda _: None)
    monkeypatch.setattr(CLI, "_run_subcommand", lambda *_: None)
    cli = command_line(["fit", "--config", "tiny.yaml"])
    assert len(TYPED) * len(ODD_VALUES) > 100
    for flag, value in product(TYPED, ODD_VALUES):
        with pytest.raises(Exception) as refused:  # noqa: PT011  explained below
            build_trainer(cli, flag, value)
        assert explain(refused.value), (flag, value)


def build_trainer(cli: CLI, flag: str, value: str) -> None:
    """Parse a flag of the trainer, and make one with it."""
    words = ["fit", "--config", "tiny.yaml", f"--trainer.{flag}={value}"]
    cli.parse_arguments(cli.parser, words)
    given = cli.config.fit.trainer.as_dict()
    Trainer(**{key: given[key] for key in (flag, "accelerator")})


@pytest.mark.parametrize("there", [True, False])
def test_devices_are_numbered_where_there_are_some(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wasserstein_critics.cli.flags.has_gpu", lambda: there)
    flags = dict.fromkeys(inspect.signature(Trainer).parameters, 1)
    trainer = flags | {"accelerator": "auto", "devices": "-1"}
    config = dict_to_namespace({"seed_everything": 0, "trainer": trainer})
    refused = pytest.raises(UsageError, match=r"trainer\.devices on a CPU must be")
    with nullcontext() if there else refused:
        check_values(config, "fit")


SEEDED = [
    (cls, name)
    for package in (datamodules, callbacks)
    for cls in (getattr(package, name) for name in package.__all__)
    if isinstance(cls, type) and not inspect.isabstract(cls)
    for name in sorted(accepted_names(cls))
    if name.endswith("seed")
]
REQUIRED: dict[str, dict[str, Any]] = {
    "PointClouds": {"name": "ring8"},
    "OfficeImages": {"source": "a", "target": "b"},
    "FeatureMetrics": {"inception": True},
}


@pytest.mark.parametrize(("cls", "name"), SEEDED)
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_every_seed_has_the_range_of_numpys(
    cls: Any, name: str, seed: int, tmp_path: Path
) -> None:
    small = small_data.OPTIONS.get(cls.__name__)
    options = {
        **(small(tmp_path) if small else {}),
        **REQUIRED.get(cls.__name__, {}),
        name: seed,
    }
    with pytest.raises(ValueError, match=rf"{name} must be a whole number from 0 to"):
        cls(**options)


@pytest.mark.parametrize("method", ["EASE", "Popularity"])
def test_what_was_never_fitted_ranks_nothing(run: Run, method: str) -> None:
    words = ("--model", method, "--data", "PlantedInteractions")
    for subcommand in ("validate", "test", "predict"):
        code, sentence = run(subcommand, "--config", "tiny.yaml", *words)
        assert code == 2
        assert f"{method} was not fitted" in sentence


@each_of(MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, named: list[str]
) -> None:
    check_mistake(run, words, named)


def test_a_gpu_that_is_not_there_is_missed_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    code, sentence = run("fit", "--config", "tiny.yaml", "--trainer.accelerator", "gpu")
    assert code == 2
    assert "trainer.accelerator 'gpu'" in sentence
    assert "'cpu'" in sentence
