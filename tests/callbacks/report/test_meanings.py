"""Every value that this library logs has a meaning, in the right direction."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from callbacks.critics.transport_monitor import CURVES
from callbacks.report.meanings import MEANINGS, better_of, meaning_of
from callbacks.runs.wandb_run import SUMMARIES, summary_of
from lightning_modules.adaptation.scores import NAMES, SCORES
from lightning_modules.functional.ranking import NAMES as RANKING

REPOSITORY = Path(__file__).parents[3]


def recorded() -> Iterator[str]:
    """What methods record at a training step."""
    for file in (REPOSITORY / "lightning_modules").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.record":
                yield from (f"train/{word.arg}" for word in node.keywords if word.arg)


EVALUATED = (
    *NAMES,
    *("feature_wasserstein", "proxy_a_distance", "accuracy", "loss"),
    *("knn_accuracy", "input_knn_accuracy", "wasserstein", "sliced_wasserstein"),
    *("fid", "kid", "inception_score", "min_class_share", "max_class_share"),
    *("modes", "high_quality", "reverse_kl"),
    *("coverage@10", "popularity@10", "novelty@10"),
    *(f"{name}@20" for name in RANKING),
)
LOGGED = sorted(
    {
        *recorded(),
        *(f"{stage}/{name}" for name in EVALUATED for stage in ("val", "test")),
        *(f"train/{name}" for name in CURVES),
        *(f"train/{name}" for name in ("wasserstein_raw", "wasserstein_ratio")),
        *(f"train/{name}" for name in ("critic_slope", "critic_lipschitz")),
        *("train/clip_saturation", "grad_norm/critic/total"),
    }
)


def test_every_logged_value_has_a_meaning_and_every_meaning_a_value() -> None:
    assert len(LOGGED) > 80
    meanings = {name: meaning_of(name) for name in LOGGED}
    assert [name for name, meaning in meanings.items() if meaning is None] == []
    assert {id(one) for one in meanings.values()} == set(map(id, MEANINGS.values()))


def test_a_value_of_somebody_else_has_none() -> None:
    assert meaning_of("val/theirs") is None
    assert better_of("val/theirs") == ""


@pytest.mark.parametrize("key", SCORES)
def test_directions_are_those_of_the_metrics(key: str) -> None:
    higher = SCORES[key].higher_is_better  # type: ignore[index]
    assert better_of(f"val/target_{key}") == ("higher" if higher else "lower")


def test_summaries_of_wandb_follow_the_directions() -> None:
    for name in LOGGED:
        if name.startswith(("val/", "test/")) and (better := better_of(name)):
            expected = {"higher": "max", "lower": "min"}[better]
            assert summary_of(name, SUMMARIES) == expected, name
