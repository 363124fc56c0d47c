"""The search for the rankers' settings: its candidates, its files, what was tried."""

import math
from pathlib import Path

import pytest
import torch

from experiments.tuning import recommendation as search_rankers
from experiments.tuning.recommendation import measure, ranking
from experiments.tuning.recommendation_candidates import SEARCHES, Try
from experiments.tuning.rejected_variants import DroppedCML, SymmetricCML
from tests.support.ranking_data import planted, trainer
from wasserstein_critics.cli.app import main

CONFIGS = Path(__file__).parents[3] / "configs"


def kinds() -> dict[str, tuple[Path, dict[str, str]]]:
    """Each method's candidates, their options put together; classes by themselves."""
    found: dict[str, tuple[Path, dict[str, str]]] = {}
    for data, candidates in SEARCHES.items():
        for candidate in candidates.values():
            given = dict(word.split("=") for word in candidate.options)
            name = given.get("--model", candidate.method)
            path = CONFIGS / candidate.method / f"{data}.yaml"
            found.setdefault(name, (path, {}))[1].update(given)
    return found


KINDS = kinds()


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line_takes_what_candidates_change(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config, given = KINDS[kind]
    options = [f"{key}={value}" for key, value in given.items()]
    with pytest.raises(SystemExit) as stop:
        main(["fit", f"--config={config}", *options, "--print_config"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for key, value in given.items():
        is_class = key in {"--model", "--model.optimizer"}
        name = "class_path" if is_class else key.split(".")[-1]
        assert f"{name}: {value}" in printed


def test_a_candidate_is_kept_with_its_best_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("--data.n_users=30", "--data.n_items=60", "--trainer.max_epochs=2")
    often = ("--trainer.check_val_every_n_epoch=1", "--data.batch_size=64")
    two = {"cml": Try("cml", few + often), "bpr": Try("bpr", few + often)}
    monkeypatch.setattr(search_rankers, "SEARCHES", {"planted": two})
    monkeypatch.setattr(search_rankers, "SELECTION", tmp_path / "kept")
    monkeypatch.setattr(search_rankers, "RUNS", tmp_path / "runs")
    measure("planted", "cml")
    (row,) = ranking("planted")
    assert (row["candidate"], row["monitor"]) == ("cml", "val/recall@20")
    assert 0 < row["score"] <= 1
    assert row["step"] > 0
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_liked_item_is_compared_with_all_users_who_have_not_taken_it() -> None:
    one, both = (SymmetricCML(share, dim=2, temperature=0.5) for share in (0.0, 2.0))
    g = torch.Generator().manual_seed(0)
    user, positive, negative = (torch.randn(3, 2, generator=g) for _ in range(3))
    strangers = torch.tensor([[False, True, True], [True, False, False], [False] * 3])
    allowed = torch.ones(3, 3, dtype=torch.bool)
    for model in (one, both):
        model._strangers = strangers
    given = user, positive, negative, allowed
    half = 0.0
    for i in range(3):
        near = float((user[i] - positive[i]).square().sum())
        total = 1.0
        for k in range(3):
            far = float((user[k] - positive[i]).square().sum())
            total += bool(strangers[i, k]) * math.exp((1 + near - far) / 0.5)
        half += 0.5 * math.log(total) / 3
    apart = both.metric_loss(*given) - one.metric_loss(*given)
    assert float(apart) == pytest.approx(2 * half, rel=1e-5)


def test_what_was_tried_trains() -> None:
    for model in (SymmetricCML(0.3, dim=2), DroppedCML(0.1, dim=2)):
        made = trainer(max_epochs=1)
        made.fit(model, planted())
        assert made.global_step > 0


def test_dropping_everything_leaves_no_distance_between_user_and_item() -> None:
    model = DroppedCML(1.0, dim=2, temperature=0.1, margin=1.0)
    user, far = torch.tensor([[0.6, 0.0]]), torch.tensor([[0.0, 10.0]])
    loss = model.metric_loss(user, -user, far, torch.ones(1, 1, dtype=torch.bool))
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
