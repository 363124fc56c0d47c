"""Shipped configs by short name, from a clone and from an installation."""

import subprocess
from pathlib import Path

import pytest

from wasserstein_critics.__main__ import main
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.completion import completion
from wasserstein_critics.shipped import (
    FOLDER,
    listed,
    meant,
    program,
    shipped_part,
    shipped_path,
    titles,
    with_shipped_paths,
)


def test_each_experiment_and_overlay_has_a_short_name_and_a_title() -> None:
    assert {"wgan_gp/digits", "cml/interactions", "wandb"} < set(titles())
    assert not any(name.startswith(("defaults/", "sweeps/")) for name in titles())
    assert {"sweeps/wgan", *titles()} < set(listed())
    for name, title in listed().items():
        assert (
            shipped_path(name)
            == shipped_path(f"{name}.yaml")
            == FOLDER / f"{name}.yaml"
        )
        assert 5 < len(title) < 120, name
        assert not title.endswith(("as in", "an", "the", ",", ":")), name


@pytest.mark.parametrize("name", ["", "../README", "wgan_gp", "/etc/passwd", "a b"])
def test_what_is_no_config_of_ours_has_no_path(name: str) -> None:
    assert shipped_path(name) is None


def test_a_file_in_the_working_folder_wins_over_a_shipped_config() -> None:
    words = ["fit", "--config", "gan/mnist", "--config=wandb", "--data", "wandb"]
    path = str(FOLDER / "gan" / "mnist.yaml")
    wandb = f"--config={FOLDER / 'wandb.yaml'}"
    kept = ["--data", "wandb"]
    assert with_shipped_paths(words) == ["fit", "--config", path, wandb, *kept]
    assert with_shipped_paths(["fit", "-c", "gan/mnist"]) == ["fit", "-c", path]
    Path("gan").mkdir()
    Path("gan/mnist").write_text("seed_everything: 3")
    assert with_shipped_paths(words) == [*words[:3], wandb, *kept]


@pytest.mark.parametrize("name", sorted(listed()))
def test_a_copy_says_what_the_shipped_config_says(name: str) -> None:
    assert main(["copy", name, "my.yaml"]) == 0
    copied, shipped = Path("my.yaml"), shipped_path(name)
    assert shipped is not None
    assert read_config(copied) == read_config(shipped)
    assert copied.read_text().count("\n") == shipped.read_text().count("\n")


@pytest.mark.parametrize(
    ("name", "file", "named"),
    [
        ("wgan_gp/digts", "my.yaml", "'wgan_gp/digits'"),
        ("wgan_gp/digits", "there.yaml", "'there.yaml' exists"),
        ("wgan_gp/digits", "no/my.yaml", "folder 'no'"),
    ],
)
def test_what_can_not_be_copied_is_told_and_nothing_is_written(
    name: str, file: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there.yaml").write_text("mine")
    assert main(["copy", name, file]) == 2
    assert named in capsys.readouterr().err
    assert [p.read_text() for p in Path.cwd().iterdir()] == ["mine"]


def test_a_sweep_is_listed_and_its_copy_is_for_wandb(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["configs", "sweep"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [f"sweeps/{name}" for name in ("gan", "wdgrl", "wgan", "wgan_gp")]
    assert main(["copy", names[0], "sweep.yaml"]) == 0
    assert capsys.readouterr().out.endswith("wandb sweep sweep.yaml\n")


def test_configs_are_listed_by_what_they_contain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["configs", "WGAN-GP", "mnist"]) == 0
    assert capsys.readouterr().out.split()[0] == "wgan_gp/mnist"
    assert main(["configs", "nothing-like-it"]) == 2
    assert "nothing-like-it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("started", "words"),
    [
        ("/usr/bin/wasserstein-critics", "wasserstein-critics"),
        ("/x/wasserstein_critics/__main__.py", "python -m wasserstein_critics"),
        ("train.py", "python train.py"),
    ],
)
def test_messages_name_the_command_as_it_was_started(
    started: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [started, "fit"])
    assert program() == words
    assert f"`{words} configs`" in meant("gan/mnst")
    assert "'gan/mnist'" in meant("configs/gan/mnst.yaml")


def test_the_nearest_config_is_that_of_what_was_typed_in_any_folder() -> None:
    place = "/home/somebody/with/a/long/way/to/their/work"
    for words in (["--config", "wgan_gp/image"], ["-c=x", "--config=wgan_gp/image"]):
        told = meant(f"{place}/wgan_gp/image", words)
        assert told.startswith(": did you mean 'wgan_gp/images'?")
    for name in ("defaults/digit_shift", "../defaults/digits_shft.yaml"):
        assert meant(name).startswith(": did you mean 'defaults/digits_shift'?")


def test_a_copy_and_a_shipped_config_are_known_by_the_name_of_the_latter() -> None:
    assert main(["copy", "gan/mnist", "my.yaml"]) == 0
    Path("own.yaml").write_text("seed_everything: 3")
    words = ["fit", "--config", "my.yaml", "--config=smoke", "-c", "own.yaml"]
    names, options = shipped_part(with_shipped_paths(words))
    assert names == "gan/mnist smoke"  # in their order
    assert options[1] == f"--config={FOLDER / 'smoke.yaml'}"


COMPLETED = [
    ("", "fit"),
    ("", "report"),
    ("fit --config wgan_gp/dig", "wgan_gp/digits"),
    ("copy cml/inter", "cml/interactions"),
    ("fit --model WGANG", "WGANGP"),
    ("fit --data.ba", "--data.batch_size"),
    ("fit --callbacks.SampleGrid.ev", "--callbacks.SampleGrid.every_n_steps"),
]
ASKED = """
source completion.sh
function=$(complete -p wasserstein-critics | sed 's/.*-F \\([^ ]*\\).*/\\1/')
while IFS= read -r line; do
  COMP_WORDS=(wasserstein-critics $line); [ -z "$line" ] && COMP_WORDS+=("")
  COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMPREPLY=()
  $function wasserstein-critics "${COMP_WORDS[$COMP_CWORD]}"
  echo "${COMPREPLY[*]}"
done
"""


def test_a_shell_completes_subcommands_configs_classes_and_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert completion(["bash"]) == 0
    Path("completion.sh").write_text(capsys.readouterr().out)
    lines = "".join(f"{typed}\n" for typed, _ in COMPLETED)
    shown = subprocess.run(
        ["bash", "-c", ASKED], input=lines, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for (_, expected), found in zip(COMPLETED, shown, strict=True):
        assert expected in found.split()
