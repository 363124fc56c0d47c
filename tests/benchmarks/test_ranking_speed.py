"""Rankers and other implementations: what is compared computes the same."""

import pytest

pytest.importorskip("implicit")

from benchmarks.ranking_speed import Evaluation


@pytest.mark.filterwarnings("ignore:OpenBLAS is configured:RuntimeWarning")
def test_all_evaluations_have_the_same_metrics() -> None:
    Evaluation(n_users=50, n_items=150, dim=8).check()
