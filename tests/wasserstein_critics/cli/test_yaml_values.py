"""Text in YAML stays as it is written."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.command_line import Run, tiny, write
from wasserstein_critics.cli.yaml_values import dump_yaml, load_yaml

LETTERS = st.characters(exclude_categories=["Cs"])
IDS = st.text(LETTERS) | st.from_regex(r"[-+]?[0-9][0-9_.:e]{0,5}", fullmatch=True)
VALUES = IDS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()


@given(st.lists(VALUES))
@example(["\x85", "a\u2028b", "\u2029"])
def test_what_is_dumped_is_loaded(values: list[object]) -> None:
    config = {"data": {"predict_users": values}}
    assert load_yaml(dump_yaml(config)) == config


@pytest.mark.parametrize(
    "word", ["0010", "12:30", "1_000", "0x1f", "no", "yes", "on", "2021-03-05", "0o17"]
)
def test_plain_words_are_not_rewritten(word: str) -> None:
    assert load_yaml(f"users: [{word}]") == {"users": [word]}


@pytest.mark.parametrize("end", ["", "defaults: own.yaml\n"])
def test_a_key_that_stands_twice_is_refused_with_its_line(run: Run, end: str) -> None:
    text = write(tiny()).read_text() + "seed_everything: 1\nseed_everything: 2\n"
    line = len(text.splitlines())
    Path("own.yaml").write_text(text)
    Path("tiny.yaml").write_text(end or text)
    code, sentence = run("fit", "--config", "tiny.yaml")
    name = "own" if end else "tiny"
    assert code == 2
    assert f"{name}.yaml', line {line}: 'seed_everything' stands there" in sentence


def laughs(levels: int) -> str:
    """Ten words, then ten times what came before, on each line."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(levels)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (laughs(9), "more than 100,000 values"),
        ("model: &m\n  init_args: *m", "more than 50 deep"),
        ("x: " + "[" * 60 + "]" * 60, "more than 50 deep"),
        ("x: " + "{a: " * 60 + "}" * 60, "more than 50 deep"),
        ("x: " + "[" * 5_000 + "]" * 5_000, "maximum nesting depth"),
    ],
)
def test_a_config_without_end_is_refused(text: str, problem: str) -> None:
    with pytest.raises(yaml.YAMLError, match=problem):
        load_yaml(text)


def test_aliases_mean_what_they_name() -> None:
    assert load_yaml("a: &x {lr: 1}\nb: *x\nc: [*x]")["c"] == [{"lr": 1}]
    assert len(load_yaml(laughs(3))["a3"]) == 10


def test_numbers_and_truth_values_mean_what_they_meant(run: Run) -> None:
    write(tiny())
    words = "--data.batch_size=0x4 --trainer.enable_progress_bar=no --data.n_val 1_6"
    assert run("fit", "--config", "tiny.yaml", *words.split())[0] == 0
    config = load_yaml(Path("runs/tiny/version_0/config.yaml").read_text())
    assert config["data"]["init_args"]["batch_size"] == 4
    assert config["data"]["init_args"]["n_val"] == 16
    assert config["trainer"]["enable_progress_bar"] is False


def test_an_enum_is_written_as_its_name(run: Run) -> None:
    """Lightning's `Timer` has one as a default: its config could not be written."""
    words = ("--trainer.callbacks+=lightning.pytorch.callbacks.Timer",)
    assert run("fit", "--config", "tiny.yaml", *words) == (0, "")
    (config,) = Path().rglob("config.yaml")
    timer = yaml.safe_load(config.read_text())["trainer"]["callbacks"][-1]
    assert timer["init_args"]["interval"] == "step"
    assert run("fit", "--config", str(config)) == (0, "")
