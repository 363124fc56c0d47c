"""Our Trainer beside a bare loop and the usual way; and how pictures are read."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import adaptation, generative, pictures, ranking
from benchmarks.fitting import fit, watched
from benchmarks.records import Goal, Row, records, rows
from benchmarks.timing import Way
from scripts.wdgrl_speed import Reviews, Usual

# A method, its networks, the player updates of a round, and the most that the Trainer
# may take by the bare loop and the least that the usual way should take by ours.
GAMES: list[tuple[generative.Method, str, int, float, float]] = [
    ("gan", "points", 60, 1.10, 1.2),
    ("wgan", "points", 25, 1.10, 1.2),
    ("wgan_gp", "points", 15, 1.10, 1.12),
    ("wgan_gp", "digits", 40, 1.30, 1.12),
    ("wgan_gp", "mnist", 12, 1.05, 1.12),
]


def training(rounds: int) -> list[dict[str, Any]]:
    """`trainer.fit` beside the same arithmetic in a bare loop."""
    found = []
    for method, name, steps, most, _ in GAMES:
        found += _game(method, name, steps, Goal(most), rounds)
    return records(found + _adaptation(rounds) + _ranking(rounds))


def _game(
    method: generative.Method, name: str, steps: int, goal: Goal, rounds: int
) -> list[Row]:
    pair = generative.PAIRS[name]
    ours = generative.module(method, pair)
    data = generative.RandomRows(pair.shape, pair.batch)
    bare = generative.bare_critic, generative.bare_generator
    with tempfile.TemporaryDirectory() as folder:
        options = watched(Path(folder)) if name == "digits" else {}
        ways: dict[str, Way] = {
            "bare loop": lambda: generative.by_hand(
                generative.Game.of(method, pair), steps, *bare
            ),
            "trainer.fit": lambda: fit(ours, data, steps, **options),
        }
        seen = ", with bar and logging" if options else ""
        case = f"{method}: {pair.described}, batch {pair.batch}{seen}"
        return rows(case, "generator update", ways, rounds, {"trainer.fit": goal})


def _adaptation(rounds: int) -> list[Row]:
    data = Reviews(dense=True)
    ours = adaptation.module()
    ways: dict[str, Way] = {
        "bare loop": lambda: adaptation.by_hand(adaptation.Adaptation.of(data), 120),
        "trainer.fit": lambda: fit(ours, data, 120),
    }
    case = f"wdgrl: {adaptation.NETWORKS}"
    return rows(case, "player update", ways, rounds, {"trainer.fit": Goal(1.05)})


def _ranking(rounds: int) -> list[Row]:
    shop = ranking.Shop(100_000, 1_000_000)
    ours = ranking.module()
    ways: dict[str, Way] = {
        "bare loop": lambda: ranking.by_hand(ranking.Tables.of(shop), 60),
        "trainer.fit": lambda: fit(ours, shop, 60),
    }
    case = "cml: d 64, U 20, 4,096 pairs, 10^6 items"
    return rows(case, "update", ways, rounds, {"trainer.fit": Goal(1.10)})


def usual(rounds: int) -> list[dict[str, Any]]:
    """`trainer.fit` beside the usual way of writing the method."""
    found = []
    for method, name, steps, _, least in GAMES:
        found += _usual_game(method, name, steps, Goal(least=least), rounds)
    data = Reviews(dense=True)
    ours, theirs = adaptation.module(), adaptation.module(Usual)
    ways: dict[str, Way] = {
        "trainer.fit": lambda: fit(ours, data, 60),
        "usual way": lambda: fit(theirs, data, 60),
    }
    goals = {"usual way": Goal(least=1.8)}
    case = f"wdgrl: {adaptation.NETWORKS}"
    return records([*found, *rows(case, "player update", ways, rounds, goals)])


def _usual_game(
    method: generative.Method, name: str, steps: int, goal: Goal, rounds: int
) -> list[Row]:
    pair = generative.PAIRS[name]
    ours = generative.module(method, pair)
    data = generative.RandomRows(pair.shape, pair.batch)
    theirs = generative.usual_critic, generative.usual_generator
    ways: dict[str, Way] = {
        "trainer.fit": lambda: fit(ours, data, steps),
        "usual way": lambda: generative.by_hand(
            generative.Game.of(method, pair, usual=True), steps, *theirs
        ),
    }
    case = f"{method}: {pair.described}, batch {pair.batch}"
    return rows(case, "generator update", ways, rounds, {"usual way": goal})


def loading(rounds: int) -> list[dict[str, Any]]:
    """Pictures a second, without networks."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        pictures.write_pictures(Path(folder))
        for workers in (0, 2):
            ways = pictures.loading(Path(folder), workers, batches=150)
            case = f"60,000 pictures of 28 x 28, batch 64, {workers} workers"
            goals = {"torchvision": Goal(least=30)} if workers == 0 else {}
            found += rows(case, "picture", ways, rounds, goals)
    return records(found)
