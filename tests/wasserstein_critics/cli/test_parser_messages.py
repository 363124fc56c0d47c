import pytest

from tests.support.command_line import (
    QUIET,
    Mistake,
    Run,
    check_mistake,
    each_of,
)
from wasserstein_critics.cli.parser_messages import explain_parse_error

pytestmark = QUIET


MISTAKES: list[Mistake] = [
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
    (
        "name of a file that no config can hold",
        "--data ImageFolder --data.root caf\udce9",
        [r"'caf\xe9' on the command line is not UTF-8: rename"],
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
        ["seed_everything must be a whole number, but is 'x'"],
    ),
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
        "optimizer misspelt",
        "--model.critic_optimizr.lr 1",
        ["unknown key model.critic_optimizr.lr", "'critic_optimizer'"],
    ),
    (
        "class without what it needs",
        "--model.critic torch.nn.Linear",
        ["model.critic lacks in_features", "set model.critic.in_features"],
    ),
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
]


@each_of(MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, named: list[str]
) -> None:
    check_mistake(run, words, named)


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
    assert "train.py fit --config wgan_gp/digits" in sentence or words == ["fitt"]


def test_words_of_the_parser_that_are_not_known_are_passed_on() -> None:
    error = ValueError('Parser key "model":\n  something\n  new')
    assert explain_parse_error(error, [], []) == 'Parser key "model": something new'
