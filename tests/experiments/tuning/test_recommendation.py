"""The search for the rankers' settings: its candidates and their scores."""

from pathlib import Path

import pytest

from experiments.tuning.candidates import Candidate
from experiments.tuning.recommendation import (
    SEARCHES,
    describe,
    evaluate,
    rank,
)
from experiments.tuning.search import Search
from wasserstein_critics.cli.app import main

CONFIGS = Path(__file__).parents[3] / "configs"


def kinds() -> dict[str, tuple[Path, dict[str, str]]]:
    """Each method's candidates, their options put together; classes by themselves."""
    kinds: dict[str, tuple[Path, dict[str, str]]] = {}
    for data, search in SEARCHES.items():
        for candidate in search.candidates.values():
            given = dict(word.split("=") for word in candidate.options)
            name = given.get("--model", candidate.method)
            path = CONFIGS / candidate.method / f"{data}.yaml"
            kinds.setdefault(name, (path, {}))[1].update(given)
    return kinds


KINDS = kinds()
CLASSES = ("--model", "--model.optimizer")


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line_takes_what_candidates_change(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config, given = KINDS[kind]
    # a class that is set afterwards would drop the settings of the one before
    classes_first = sorted(given, key=lambda key: key not in CLASSES)
    options = [f"{key}={given[key]}" for key in classes_first]
    with pytest.raises(SystemExit) as stop:
        main(["fit", f"--config={config}", *options, "--print_config"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for key, value in given.items():
        is_class = key in CLASSES
        name = "class_path" if is_class else key.split(".")[-1]
        assert f"{name}: {value}" in printed


@pytest.mark.usefixtures("docs")
def test_a_candidate_is_kept_with_its_best_validation(tmp_path: Path) -> None:
    few = ("--data.n_users=30", "--data.n_items=60", "--trainer.max_epochs=2")
    often = ("--trainer.check_val_every_n_epoch=1", "--data.batch_size=64")
    two = {method: Candidate(method, few + often) for method in ("cml", "bpr")}
    search = Search("planted", two, evaluate, rank, describe)
    search.execute("cml")
    (record,) = search.ranking()
    assert (record["candidate"], record["monitor"]) == ("cml", "val/recall@20")
    assert 0 < record["score"] <= 1
    assert record["step"] > 0
    assert not list(tmp_path.rglob("*.ckpt"))
