import os
from pathlib import Path

import pytest
import torch
import yaml

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

pytestmark = QUIET


MISTAKES: list[Mistake] = [
    ("no such checkpoint", "--ckpt_path nope.ckpt", ["ckpt_path", "nope.ckpt"]),
]


@each_of(MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, named: list[str]
) -> None:
    check_mistake(run, words, named)


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
    assert "not a complete checkpoint" in sentence


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


def test_a_resumed_run_may_change_what_is_no_network(run: Run) -> None:
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    last = "runs/tiny/version_0/checkpoints/last.ckpt"
    words = ("--model.penalty_weight", "3", "--trainer.max_steps", "3")
    assert run("fit", "--config", "tiny.yaml", "--ckpt_path", last, *words) == (0, "")
    written = yaml.safe_load(Path("runs/tiny/version_1/config.yaml").read_text())
    assert written["model"]["init_args"]["penalty_weight"] == 3
    last = "runs/tiny/version_1/checkpoints/last.ckpt"
    assert WGANGP.load_from_checkpoint(last).hparams["penalty_weight"] == 3
