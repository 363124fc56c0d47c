"""Our Trainer beside a bare loop and the usual way; and how pictures are read."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import adaptation, generative, pictures, ranking
from benchmarks.fitting import fit, fit_beside, watched
from benchmarks.records import Goal, Row, compared, records, rows
from benchmarks.timing import Spent, Way, summaries
from benchmarks.wdgrl_speed import Reviews, Usual

# A method, its networks, the player updates of a round, and the most that the Trainer
# may take by the bare loop and the least that the usual way should take by ours.
GAMES: list[tuple[generative.Method, str, int, float, float]] = [
    ("gan", "points", 15, 1.10, 1.2),
    ("wgan", "points", 6, 1.10, 1.2),
    ("wgan_gp", "points", 3, 1.10, 1.12),
    ("wgan_gp", "digits", 10, 1.30, 1.12),
    ("wgan_gp", "mnist", 3, 1.05, 1.12),
]
SHORTER = 4  # rounds beside a loop by hand: so many times as many, each as much shorter


def training(rounds: int) -> list[dict[str, Any]]:
    """`trainer.fit` beside the same arithmetic in a bare loop."""
    found, short = [], rounds * SHORTER + 1  # the first does not count
    for method, name, steps, most, _ in GAMES:
        found += _game(method, name, steps, Goal(most), short)
    return records(found + _adaptation(short) + _ranking(short))


def _game(
    method: generative.Method, name: str, steps: int, goal: Goal, rounds: int
) -> list[Row]:
    pair = generative.PAIRS[name]
    bare = generative.bare_critic, generative.bare_generator
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {}
        if name == "digits":  # a round is as long as one of the intervals of logging
            options, steps = watched(Path(folder)), 50
        game = generative.Game.of(method, pair)
        found = _beside(game, pair, bare, steps, rounds, **options)
    seen = ", with bar and logging" if options else ""
    case = f"{method}: {pair.described}, batch {pair.batch}{seen}"
    return _above_bare(case, "generator update", found, goal)


def _beside(
    game: generative.Game,
    pair: generative.Pair,
    players: tuple[generative.Step, generative.Step],
    steps: int,
    rounds: int,
    **options: Any,
) -> tuple[list[Spent], list[Spent]]:
    """A fit of our module beside a loop by hand."""
    critic, generator = players
    play = partial(
        generative.play, game, game.batches(), critic=critic, generator=generator
    )
    module = generative.module(game.method, pair)
    data = generative.RandomRows(pair.shape, pair.batch)
    return fit_beside(play, module, data, steps, rounds, **options)


def _above_bare(
    case: str, unit: str, found: tuple[list[Spent], list[Spent]], goal: Goal
) -> list[Row]:
    ours, bare = found
    summed = summaries({"bare loop": bare, "trainer.fit": ours})
    return compared(case, unit, summed, {"trainer.fit": goal})


def _adaptation(rounds: int) -> list[Row]:
    data = Reviews(dense=True)
    bare = adaptation.Adaptation.of(data)
    play = partial(adaptation.play, bare, adaptation.batches(bare))
    found = fit_beside(play, adaptation.module(), data, 30, rounds)
    case = f"wdgrl: {adaptation.NETWORKS}"
    return _above_bare(case, "player update", found, Goal(1.05))


def _ranking(rounds: int) -> list[Row]:
    shop = ranking.Shop(100_000, 1_000_000)
    bare = ranking.Tables.of(shop)
    play = partial(ranking.play, bare, ranking.batches(bare))
    found = fit_beside(play, ranking.module(), shop, 15, rounds)
    case = "cml: d 64, U 20, 4,096 pairs, 10^6 items"
    return _above_bare(case, "update", found, Goal(1.10))


def usual(rounds: int) -> list[dict[str, Any]]:
    """`trainer.fit` beside the usual way of writing the method."""
    found, short = [], rounds * SHORTER + 1  # the first does not count
    for method, name, steps, _, least in GAMES:
        found += _usual_game(method, name, steps, Goal(least=least), short)
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
    players = generative.usual_critic, generative.usual_generator
    game = generative.Game.of(method, pair, usual=True)
    ours, theirs = _beside(game, pair, players, steps, rounds)
    summed = summaries({"trainer.fit": ours, "usual way": theirs})
    case = f"{method}: {pair.described}, batch {pair.batch}"
    return compared(case, "generator update", summed, {"usual way": goal})


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
