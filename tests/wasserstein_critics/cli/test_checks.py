import pytest
import torch

from tests.support.command_line import (
    QUIET,
    Mistake,
    Run,
    check_mistake,
    each_of,
)

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
    ("unknown strategy", "--trainer.strategy nonsense", ["strategy", "nonsense"]),
]


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
