"""Callbacks are retuned and switched off by name, wherever they stand in the list."""

from typing import Any

import pytest
import yaml

from tests.support.command_line import Run, tiny, write
from wasserstein_critics.cli.callback_options import split_off, with_options

LISTED: list[dict[str, Any]] = [
    {"class_path": "callbacks.Checkpoint", "init_args": {"save_last": True}},
    {"class_path": "SampleGrid", "init_args": {"every_n_steps": 5}},
    {"class_path": "WeightEMA"},
]


def put(*words: str) -> list[dict[str, Any]]:
    rest, options = split_off(words)
    assert rest == []
    listed: list[dict[str, Any]] = yaml.safe_load(with_options(LISTED, options))
    return listed


def test_an_option_reaches_its_callback_and_no_other() -> None:
    checkpoint, grid, ema = LISTED
    assert put("--callbacks.SampleGrid.every_n_steps=7") == [
        checkpoint,
        {**grid, "init_args": {"every_n_steps": 7}},
        ema,
    ]
    changed = put("--callbacks.WeightEMA.decay", "0.5", "--callbacks.SampleGrid.n", "1")
    assert changed[1]["init_args"] == {"every_n_steps": 5, "n": 1}
    assert changed[2]["init_args"] == {"decay": 0.5}
    assert put("--callbacks.SampleGrid", "false") == [checkpoint, ema]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--callbacks.SampleGird.seed=1"], "did you mean 'SampleGrid'"),
        (["--callbacks.SampleGrid.seed"], "needs a value"),
        (["--callbacks.SampleGrid", "--x"], "needs a value"),
        (["--callbacks.SampleGrid=7"], "takes only false"),
    ],
)
def test_a_mistake_is_told_by_name(words: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        put(*words)


def test_the_parser_judges_what_was_set(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tiny())
    words = ["fit", "--config", "tiny.yaml", "--callbacks.Checkpoint.save_last"]
    code, sentence = run(*words, "maybe")
    assert code == 2
    assert "save_last" in sentence
    with pytest.raises(SystemExit):
        run(*words, "false", "--print_config")
    printed = yaml.safe_load(capsys.readouterr().out)
    (checkpoint,) = printed["trainer"]["callbacks"]
    assert checkpoint["init_args"]["save_last"] is False
    assert checkpoint["init_args"]["every_n_train_steps"] == 1
