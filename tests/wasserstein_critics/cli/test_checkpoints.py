import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import Namespace
from PIL import Image

from lightning_modules import WGANGP
from lightning_modules.core.files import wrong_part
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
from tests.support.trainers import same
from wasserstein_critics.cli import app
from wasserstein_critics.cli.checkpoints import check_checkpoint, read_checkpoint
from wasserstein_critics.cli.continuation import changed_settings
from wasserstein_critics.cli.errors import UsageError

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


SCHEDULE = {
    "class_path": "torch.optim.lr_scheduler.LinearLR",
    "init_args": {"start_factor": 1.0, "end_factor": 0.5, "total_iters": 9},
}


def scheduled() -> dict[str, Any]:
    config = tiny()
    config["model"]["init_args"]["generator_scheduler"] = SCHEDULE
    return config


@pytest.fixture(scope="session")
def wgan_gp(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run with a schedule, and its config."""
    home = tmp_path_factory.mktemp("wgan_gp")
    options = {"default_root_dir": str(home), "logger": False}
    config = scheduled()
    path = write({**config, "trainer": config["trainer"] | options}, home / "c.yaml")
    assert app.main(["fit", "--config", str(path)]) == 0
    return home / "version_0" / "checkpoints" / "last.ckpt", path


CHANGES = {
    "seed_everything": 7,
    "model.penalty_weight": 3,
    "model.n_critic": 3,
    "model.critic_optimizer.lr": 0.5,
    "model.critic_optimizer": "Adam",
    "model.generator_optimizer.betas": [0.5, 0.9],
    "model.generator_scheduler.total_iters": 8,
    "model.generator_scheduler": None,
    "model.critic_scheduler": "ConstantLR",
    "data.batch_size": 8,
    "data.seed": 1,
    "data.name": "grid25",
    "data": "Digits",
}


@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_run_goes_on_with_no_other_settings(
    run: Run, wgan_gp: tuple[Path, Path], key: str, recorded: bool
) -> None:
    path, config = wgan_gp
    if not recorded:  # as an earlier version wrote it
        state = torch.load(path, weights_only=True)
        del state["run"]
        shutil.copytree(path.parents[1], "old.yaml")
        path = Path("old.yaml/checkpoints/last.ckpt")
        torch.save(state, path)
    value = json.dumps(CHANGES[key]).strip('"')
    words = ("fit", "--config", config, "--ckpt_path", path, f"--{key}={value}")
    code, sentence = run(*words, "--trainer.max_steps=2")
    assert code == 2
    assert f"'{path}' goes on with a run as it was, but {key} is" in sentence
    assert "start a new run" in sentence
    assert traces() == []


def test_each_setting_of_model_and_data_is_compared(wgan_gp: tuple[Path, Path]) -> None:
    path, config = wgan_gp
    words = ["fit", "--config", str(config), "--print_config"]
    parser_values = parsed(words)
    checkpoint = torch.load(path, weights_only=True)
    arguments = checkpoint["hyper_parameters"]
    assert list(changed_settings(parser_values, checkpoint, arguments)) == []
    n_compared = 0
    for key, value in flat(parser_values):
        if not isinstance(value, int | float) or free(key):
            continue
        other = parser_values.clone()
        other[key] = value + 1
        (change,) = changed_settings(other, checkpoint, arguments)
        assert change == (key.replace(".init_args", ""), value + 1, value)
        n_compared += 1
    assert n_compared >= 20


def parsed(words: list[str]) -> Namespace:
    """Configuration of a command line."""
    found: list[Namespace] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "check_config", lambda config, _: found.append(config))
        patch.setattr(app.CLI, "before_instantiate_classes", stop)
        with pytest.raises(InterruptedError):
            app.command_line([word for word in words if word != "--print_config"])
    return found[0]


def stop(_: Any) -> None:
    raise InterruptedError


def flat(config: Namespace) -> Iterator[tuple[str, Any]]:
    """Keys of model and data with their values."""
    for key, value in config.items():
        if key.startswith(("model.", "data.")):
            yield key, value


def free(key: str) -> bool:
    return key.rpartition(".")[2] in ("num_workers", "compile", "n_predict", "root")


@pytest.mark.parametrize(
    "option",
    ["trainer.max_steps=3", "trainer.log_every_n_steps=7", "data.num_workers=0",
     "data.n_predict=9", "trainer.callbacks+=WeightEMA", "trainer.logger=true"],
)  # fmt: skip
def test_budget_logging_and_callbacks_of_a_run_may_change(
    wgan_gp: tuple[Path, Path], option: str
) -> None:
    path, config = wgan_gp
    name, _, value = option.partition("=")
    words = ["fit", f"--config={config}", f"--ckpt_path={path}", f"--{name}", value]
    given = parsed(words)
    check_checkpoint(str(path), given, "fit")


def test_a_file_in_a_directory_that_was_moved_is_the_same() -> None:
    def changes(here: str, there: str) -> list[Any]:
        data = {"class_path": "Interactions", "init_args": {"path": here}}
        config = Namespace()  # type: ignore[no-untyped-call, unused-ignore]
        config.model, config.data = {"class_path": "CML"}, data
        init_args = {"path": there, "root": "elsewhere"}
        settings = {"data": {"class_path": "Interactions", "init_args": init_args}}
        return list(changed_settings(config, {"run": {"settings": settings}}, {}))

    assert changes("/disk/orders.csv", "orders.csv") == []
    assert changes("orders.csv", "others.csv") == [
        ("data.path", "orders.csv", "others.csv")
    ]


def test_a_run_does_not_go_on_with_data_of_another_size(run: Run) -> None:
    for name, count in (("few", 12), ("many", 13)):
        for i in range(count):
            path = Path("images.yaml", name, f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (i, i, i)).save(path)
    small = ["--model.generator.shape=[3,8,8]", "--model.critic.shape=[3,8,8]"]
    words = ["fit", "--config", "tiny.yaml", *small, "--data=ImageFolder"]
    words += ["--data.image_size=8", "--data.batch_size=4", "--data.root"]
    assert run(*words, "images.yaml/few") == (0, "")
    going_on = ["--ckpt_path", "runs/tiny/version_0/checkpoints/last.ckpt"]
    longer = [*going_on, "--trainer.max_steps=3"]
    code, sentence = run(*words, "images.yaml/many", *longer)
    assert code == 2
    assert "goes on with a run on 12 images of 3 x 8 x 8" in sentence
    assert "but data has 13 images" in sentence
    Path("images.yaml/few").rename("images.yaml/moved")
    assert run(*words, "images.yaml/moved", *longer) == (0, "")


def damaged(path: Path, position: float, bit: int) -> bytes:
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    return bytes(content)


@settings(max_examples=150)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_checkpoint_with_a_flipped_bit_is_refused_or_equal(
    wgan_gp: tuple[Path, Path], position: float, bit: int
) -> None:
    path, _ = wgan_gp
    whole = torch.load(path, weights_only=True)
    Path("flipped.ckpt").write_bytes(damaged(path, position, bit))
    with suppress(UsageError):
        assert same(read_checkpoint(Path("flipped.ckpt")), whole)


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True))
def test_a_checkpoint_that_is_cut_off_is_refused(
    wgan_gp: tuple[Path, Path], share: float
) -> None:
    content = wgan_gp[0].read_bytes()
    Path("short.ckpt").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UsageError, match="is not a complete checkpoint"):
        read_checkpoint(Path("short.ckpt"))


@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
def test_a_damaged_checkpoint_is_refused_with_the_one_before_it(
    run: Run, wgan_gp: tuple[Path, Path], subcommand: str
) -> None:
    path, config = wgan_gp
    shutil.copytree(path.parent, "kept.yaml")
    last = Path("kept.yaml/last.ckpt")
    for other in set(last.parent.iterdir()) - {last, last.with_stem("last-previous")}:
        other.unlink()
    content = bytearray(last.read_bytes())
    start = content.find(torch.load(last, weights_only=True)["noise"].numpy().tobytes())
    content[start] ^= 1
    last.write_bytes(content)
    assert torch.load(last, weights_only=True)  # torch reads it without a word
    words = (subcommand, "--config", config, "--ckpt_path", last)
    code, sentence = run(*words)
    assert code == 2
    assert f"'{last}' is not a complete checkpoint" in sentence
    assert "checksum" in sentence
    assert "give 'kept.yaml/last-previous.ckpt', of step 1" in sentence
    assert traces() == []


# Parts of a checkpoint ----------------------------------------------------------------

WRONG: tuple[Any, ...] = (None, "x", -1, 0.5, True, [1], [], {"a": 1}, torch.zeros(2))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A run in which the last checkpoint has been changed."""
    shutil.rmtree("edited.yaml", ignore_errors=True)
    shutil.copytree(path.parents[1], "edited.yaml")
    last = Path("edited.yaml/checkpoints/last.ckpt")
    content = torch.load(last, weights_only=True)
    change(content)
    torch.save(content, last)
    return last


def test_a_part_of_another_type_is_refused_by_its_name(
    wgan_gp: tuple[Path, Path],
) -> None:
    whole = torch.load(wgan_gp[0], weights_only=True)
    known = set(whole) - {"hparams_name", "PointClouds"}
    for name in sorted(known):
        for value in WRONG:
            reason = wrong_part(whole | {name: value})
            if not isinstance(value, type(whole[name])):
                assert str(reason).startswith(f"its {name} is not"), (name, value)
    assert wrong_part(whole) is None
    tensors = {"x": "words"}, {"x": torch.zeros(1, dtype=torch.complex64)}
    for state in tensors:
        assert wrong_part(whole | {"state_dict": state})
    for version in ("abc", ""):
        assert wrong_part(whole | {"pytorch-lightning_version": version})


def one_less(content: dict[str, Any]) -> None:
    del content["state_dict"]["critic.layers.1.bias"]


def of_another_shape(content: dict[str, Any]) -> None:
    content["state_dict"]["critic.layers.1.bias"] = torch.zeros(3, 3)


def of_whole_numbers(content: dict[str, Any]) -> None:
    bias = content["state_dict"]["critic.layers.1.bias"]
    content["state_dict"]["critic.layers.1.bias"] = bias.long()


EDITS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (one_less, "can't be loaded .Missing key.*critic.layers.1.bias"),
    (of_another_shape, "can't be loaded .size mismatch for critic.layers.1.bias"),
    (of_whole_numbers, "last.ckpt.*kind mismatch for critic.layers.1.bias"),
    (lambda c: c["state_dict"].update(more=torch.ones(1)), "Unexpected key.*more"),
    (lambda c: c.update({"pytorch-lightning_version": "abc"}), "version is not a"),
    (lambda c: c.pop("optimizer_states"), "holds no optimizer_states, so a fit can't"),
    (lambda c: c.update(optimizer_states=[]), "has 0 optimizer_states, and this .* 2"),
    (lambda c: c.update(optimizer_states=[{}, {}]), "can't be loaded .KeyError"),
    (lambda c: c.pop("noise"), "holds no noise"),
    (lambda c: c.pop("PointClouds"), "holds no PointClouds"),
    (lambda c: c.update(PointClouds={}), "can't be loaded .KeyError: 'epoch'"),
    (lambda c: c.update(loops={}), "can't be loaded .KeyError: 'fit_loop'"),
    (lambda c: c.update(callbacks={"Checkpoint": 1}), "last.ckpt"),
]


@pytest.mark.parametrize(("change", "says"), EDITS)
def test_a_checkpoint_that_was_edited_is_refused_by_its_name(
    run: Run,
    wgan_gp: tuple[Path, Path],
    change: Callable[[dict[str, Any]], object],
    says: str,
) -> None:
    last = edited(wgan_gp[0], change)
    before = sorted(last.parents[1].rglob("*"))
    words = ("--config", wgan_gp[1], "--ckpt_path", last)
    code, sentence = run("fit", *words, "--trainer.max_steps=4")
    assert code == 2
    assert re.search(says, sentence)
    assert sorted(last.parents[1].rglob("*")) == before


def test_python_names_the_file_whose_weights_do_not_fit(
    wgan_gp: tuple[Path, Path],
) -> None:
    for change in (one_less, of_another_shape, of_whole_numbers):
        last = edited(wgan_gp[0], change)
        sentence = f"'{last}' holds other weights than WGANGP has .*critic.layers.1"
        with pytest.raises(ValueError, match=sentence):
            WGANGP.load_from_checkpoint(last)
    last = edited(wgan_gp[0], lambda c: c.update(hyper_parameters=[1]))
    with pytest.raises(ValueError, match="hyper_parameters is not arguments by name"):
        WGANGP.load_from_checkpoint(last)
