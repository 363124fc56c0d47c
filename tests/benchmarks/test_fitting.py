"""A fit and a loop by hand, in turn."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import fitting
from benchmarks.fitting import fit_beside
from benchmarks.generative import N_CRITIC, PAIRS, Method, RandomRows, module
from benchmarks.timing import Spent


@pytest.mark.parametrize("method", ["gan", "wgan_gp"])
def test_a_fit_and_the_other_way_do_as_much_in_turn(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    @contextmanager
    def noted(spent: Spent) -> Iterator[None]:
        seen.append("begin")
        yield
        spent.wall += 1.0
        seen.append("end")

    monkeypatch.setattr(fitting, "spending", noted)
    pair = PAIRS["digits"]
    ours = module(method, pair)
    ours.on_before_optimizer_step = lambda *_: seen.append(  # type: ignore[method-assign]
        "update"
    )
    rows = RandomRows(pair.shape, pair.batch)
    spent = fit_beside(lambda n: seen.append(f"other {n}"), ours, rows, 2, 3)
    updates = ["update"] * (2 * (N_CRITIC[method] + 1))
    one = ["begin", *updates, "end", "begin", "other 2", "end"]
    assert seen == 3 * one
    assert [[(s.wall, s.units) for s in way] for way in spent] == 2 * [3 * [(1.0, 2)]]
