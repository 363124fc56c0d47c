import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command_line import QUIET, Run, tiny, traces
from wasserstein_critics.cli import app
from wasserstein_critics.cli.config_files import read_config, yaml_problem
from wasserstein_critics.cli.errors import UsageError

pytestmark = QUIET


def files(**contents: dict[str, Any]) -> None:
    """YAML files in the working directory; ``a__b`` lies in the folder a."""
    for name, content in contents.items():
        path = Path(f"{name.replace('__', '/')}.yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))


def content(**files_: dict[str, Any]) -> dict[str, Any]:
    files(**files_)
    return read_config(Path("own.yaml"))


# Merging ------------------------------------------------------------------------------


def test_own_keys_win_over_defaults_and_dicts_merge_key_by_key() -> None:
    shared = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "g": [1, 2]}
    own = {"defaults": "shared.yaml", "a": 4, "b": {"d": {"f": 5}}, "g": [6]}
    merged = {"a": 4, "b": {"c": 2, "d": {"e": 3, "f": 5}}, "g": [6]}
    assert content(shared=shared, own=own) == merged


def test_a_later_file_wins_over_an_earlier_one() -> None:
    own = {"defaults": ["first.yaml", "second.yaml"]}
    merged = content(first={"a": 1, "b": 1}, second={"a": 2}, own=own)
    assert merged == {"a": 2, "b": 1}


def test_defaults_may_have_defaults_of_their_own_beside_them() -> None:
    merged = content(
        shared__base={"a": 1, "b": 1},
        shared__data={"defaults": "base.yaml", "b": 2},
        own={"defaults": "shared/data.yaml", "c": 3},
    )
    assert merged == {"a": 1, "b": 2, "c": 3}


def test_two_files_may_share_a_third() -> None:
    left, right = {"defaults": "base.yaml", "l": 1}, {"defaults": "base.yaml", "r": 1}
    own = {"defaults": ["left.yaml", "right.yaml"]}
    merged = content(base={"a": 1}, left=left, right=right, own=own)
    assert merged == {"a": 1, "l": 1, "r": 1}


def test_arguments_stay_with_their_class() -> None:
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1, "eps": 2}}
    short = {"class_path": "Adam", "init_args": {"lr": 3}}
    other = {"class_path": "SGD", "init_args": {"lr": 3}}
    for own, merged in (
        (short, {"class_path": "Adam", "init_args": {"lr": 3, "eps": 2}}),
        ({"init_args": {"lr": 3}}, adam | {"init_args": {"lr": 3, "eps": 2}}),
        (other, other),
        ("SGD", "SGD"),
        (None, None),
    ):
        given = {"defaults": "shared.yaml", "optimizer": own}
        assert content(shared={"optimizer": adam}, own=given) == {"optimizer": merged}


@pytest.mark.parametrize(
    ("shared", "own", "merged"),
    [
        ({"l": [1]}, {"l+": [2, 3]}, {"l": [1, 2, 3]}),
        ({"l": [1]}, {"l+": 2}, {"l": [1, 2]}),
        ({"l": None}, {"l+": [2]}, {"l": [2]}),
        ({"l+": [1]}, {"l+": [2]}, {"l+": [1, 2]}),
        ({"l+": [1]}, {"l": [2]}, {"l": [2]}),
        ({}, {"l+": [2]}, {"l+": [2]}),
    ],
)
def test_a_plus_appends(
    shared: dict[str, Any], own: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert content(shared=shared, own={"defaults": "shared.yaml", **own}) == merged


def test_a_file_without_defaults_is_read_as_it_is() -> None:
    assert content(own={"a": {"b": [1, "x"]}}) == {"a": {"b": [1, "x"]}}


def test_classes_get_their_public_names() -> None:
    old = {"class_path": "lightning_modules.wgan_gp.WGANGP"}
    new = {"class_path": "lightning_modules.WGANGP"}
    assert content(own={"model": old, "all": [old]}) == {"model": new, "all": [new]}
    assert content(shared={"model": old}, own={"defaults": "shared.yaml"}) == {
        "model": new
    }


# The command line ---------------------------------------------------------------------


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What ``--print_config`` prints for a command line."""

    def of(*words: str | Path) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app.main(["fit", *map(str, words), "--print_config"])
        assert end.value.code in (0, None)
        return yaml.safe_load(capsys.readouterr().out)

    return of


def split_tiny() -> None:
    """The tiny experiment as ``experiments/own.yaml`` with defaults beside it."""
    whole = tiny()
    trainer = whole.pop("trainer")
    own = {"defaults": "../shared/run.yaml", **whole, "trainer": {"max_steps": 2}}
    del trainer["max_steps"]
    files(experiments__own=own, shared__run={"trainer": {**trainer, "max_steps": 9}})
    Path("tiny.yaml").write_text(yaml.safe_dump(tiny()))


@pytest.mark.parametrize("place", [".", "shared", "/"])
@pytest.mark.parametrize("form", ["--config {}", "--config={}", "-c {}"])
def test_defaults_are_found_from_any_directory(
    place: str, form: str, printed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    split_tiny()
    whole = printed("--config", "tiny.yaml")
    home = Path.cwd()
    monkeypatch.chdir(place)
    for path in (
        home / "experiments/own.yaml",
        os.path.relpath(home / "experiments/own.yaml"),
    ):
        assert printed(*form.format(path).split()) == whole
    assert Path.cwd() == (home / place).resolve()


def test_overlays_win_over_defaults_and_may_have_their_own(
    printed: Callable[..., Any],
) -> None:
    split_tiny()
    overlay = {"defaults": "shared/more.yaml", "trainer": {"max_steps": 3}}
    files(overlay=overlay, shared__more={"trainer": {"log_every_n_steps": 7}})
    words = "--config", "experiments/own.yaml", "--config", "overlay.yaml"
    trainer = printed(*words)["trainer"]
    assert (trainer["max_steps"], trainer["log_every_n_steps"]) == (3, 7)
    assert trainer["logger"]["init_args"]["name"] == "tiny"
    assert printed(*words, "--trainer.max_steps=4")["trainer"]["max_steps"] == 4


def test_the_config_of_the_run_shows_everything(run: Run) -> None:
    split_tiny()
    assert run("fit", "--config", "experiments/own.yaml") == (0, "")
    split = Path("runs/tiny/version_0/config.yaml").read_text()
    assert run("fit", "--config", "tiny.yaml") == (0, "")
    assert split == Path("runs/tiny/version_1/config.yaml").read_text()


def test_values_keep_their_kinds(printed: Callable[..., Any]) -> None:
    Path("exact.yaml").write_text(
        "model:\n  init_args:\n    penalty_weight: 1e-3\n    compile: false\n"
        "trainer:\n  max_time: '00:00:10:00'\n  default_root_dir: '7e2'\n"
    )
    files(tiny=tiny(), own={"defaults": "exact.yaml", **tiny()})
    config = printed("--config=own.yaml")
    assert config == printed("--config=tiny.yaml", "--config=exact.yaml")
    assert config["model"]["init_args"]["penalty_weight"] == 1e-3
    assert config["trainer"]["default_root_dir"] == "7e2"


def test_a_config_given_as_text_has_defaults_too(printed: Callable[..., Any]) -> None:
    split_tiny()
    trainer = printed("--config", "{defaults: experiments/own.yaml}")["trainer"]
    assert trainer["max_steps"] == 2


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({"defaults": "no.yaml"}, ["defaults names 'no.yaml'", "there is no file"]),
        ({"defaults": "."}, ["defaults names '.'", "there is no file"]),
        ({"defaults": "own.yaml"}, ["'own.yaml'", "lead back to it"]),
        ({"defaults": "loop.yaml"}, ["loop.yaml'", "lead back to it"]),
        ({"defaults": ["tiny.yaml", "broken.yaml"]}, ["'broken.yaml'", "not YAML"]),
        ({"defaults": "words.yaml"}, ["'words.yaml'", "holds no keys"]),
        ({"defaults": 3}, ["defaults must be the path", "is 3"]),
        ({"defaults": None}, ["defaults must be the path", "is None"]),
        ({"defaults": ["tiny.yaml", 3]}, ["defaults must be the path"]),
        ({"defaults": {"a": "tiny.yaml"}}, ["defaults must be the path"]),
        ({"trainer": {"defaults": "tiny.yaml"}}, ["unknown key", "defaults"]),
        ({"defaults+": "tiny.yaml"}, ["unknown key defaults"]),
    ],
)
@pytest.mark.parametrize("word", ["--config=own.yaml", "{}"])
def test_defaults_that_cannot_be_read_end_in_one_sentence(
    run: Run, own: dict[str, Any], named: list[str], word: str
) -> None:
    files(own=own, loop={"defaults": "own.yaml"})
    Path("broken.yaml").write_text("a: [\n  b: c: d\n")
    Path("words.yaml").write_text("a few words")
    words = word.replace(
        "{}", f"--config={yaml.safe_dump(own, default_flow_style=True)}"
    )
    code, sentence = run("fit", "--config", "tiny.yaml", words)
    assert code == 2
    for name in named:
        assert name in sentence
    assert traces() == []


def test_defaults_are_no_option(run: Run) -> None:
    code, sentence = run("fit", "--config", "tiny.yaml", "--defaults", "tiny.yaml")
    assert code == 2
    assert "unknown key defaults" in sentence


# Files --------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match=r"no config file 'nowhere\.yaml'"):
        read_config(Path("nowhere.yaml"))
    Path("list.yaml").write_text("- 1\n")
    with pytest.raises(UsageError, match=r"'list\.yaml' holds no keys"):
        read_config(Path("list.yaml"))


@pytest.fixture
def odd_files() -> None:
    """What stands where a config is expected, and can't be read to its end."""
    os.mkfifo("pipe.yaml")
    Path("folder.yaml").mkdir()
    Path("device.yaml").symlink_to("/dev/zero")
    with Path("huge.yaml").open("wb") as file:
        file.truncate(2**30)


ODD = ["pipe.yaml", "folder.yaml", "device.yaml", "huge.yaml"]


@pytest.mark.usefixtures("odd_files")
@pytest.mark.parametrize("name", ODD)
def test_only_a_file_of_bearable_size_is_read(name: str, run: Run) -> None:
    with pytest.raises(UsageError, match=f"config file '{name}'"):
        read_config(Path(name))
    for option in ("--config", "--model.critic"):
        code, sentence = run("fit", "--config", "tiny.yaml", option, name)
        assert (code, name in sentence) == (2, True), option


@pytest.mark.parametrize("option", ["model.critic", "trainer"])
def test_a_value_that_is_no_yaml_is_told_with_its_option(option: str, run: Run) -> None:
    code, sentence = run("fit", "--config", "tiny.yaml", f"--{option}={{a: 1, a: 2}}")
    assert code == 2
    assert f"the value of --{option} can't be read: 'a' stands there twice" in sentence


def test_a_config_has_no_problem() -> None:
    files(own={"a": 1})
    assert yaml_problem(Path("own.yaml")) is None
