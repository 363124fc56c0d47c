"""The base of every method: checkpoints, records, arguments, strategies."""

import contextlib
import math
import os
import pickle
import sys
from argparse import ArgumentError
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.core.mixins import hparams_mixin
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LambdaLR, LinearLR

import lightning_modules
from callbacks import Checkpoint, ExportNetwork, WeightEMA
from lightning_modules import (
    BPR,
    CML,
    GAN,
    WDGRL,
    WGAN,
    WGANGP,
    LinearMap,
    MetricLearner,
    MLPCritic,
)
from lightning_modules.core.evaluation import Evaluator
from lightning_modules.core.hparams import plain_arguments
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.public_names import accepted_names
from lightning_modules.core.recipe import recipe_of
from lightning_modules.core.records import Records
from lightning_modules.core.strategies import prepare_strategy
from lightning_modules.core.validation import (
    NotFiniteError,
    check_at_least,
    check_choice,
    check_nonnegative,
    check_positive,
)
from lightning_modules.generative.base import GenerativeModule
from tests.support.domains import FORKS
from tests.support.games import batches, networks, points, trainer
from tests.support.methods import (
    CALLED,
    HOSTILE,
    NAMES,
    VALUES,
    WAYS,
    build,
    hostile_tree,
)
from tests.support.processes import on_two_ranks
from tests.support.shipped import METHODS as EVERY
from tests.support.trainers import QUIET_TRAINER

pytestmark = [
    *FORKS,
    pytest.mark.filterwarnings(
        # these fits have nothing to validate
        "ignore:You defined a `validation_step` but have no `val_dataloader`",
    ),
    pytest.mark.filterwarnings("ignore:.*Consider increasing the value of the `num_w"),
]


METHODS: list[type[GenerativeModule]] = [GAN, WGAN, WGANGP]


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_loads_by_itself_without_pickled_code(
    method: type[GenerativeModule], tmp_path: Path
) -> None:
    make: Callable[..., GenerativeModule] = method
    module = make(*networks(), n_critic=3)
    t = trainer()
    t.fit(module, points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    torch.load(tmp_path / "x.ckpt", weights_only=True)
    again = method.load_from_checkpoint(tmp_path / "x.ckpt")
    assert type(again) is method
    assert again.turns.batches_per_step == 3
    assert torch.equal(again.sample(4), module.sample(4))


def test_optimizers_and_schedules_survive_in_a_checkpoint(tmp_path: Path) -> None:
    module = WGANGP(
        *networks(),
        critic_optimizer=lambda p: Adam(p, lr=3e-3, betas=(0.1, 0.2)),
        generator_scheduler=lambda o: LinearLR(o, 1.0, 0.5, total_iters=7),
        critic_scheduler=lambda o: LambdaLR(o, lambda _: 1.0),  # has no plain form
    )
    t = trainer()
    t.fit(module, points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    again = WGANGP.load_from_checkpoint(tmp_path / "x.ckpt")
    (critic, _), schedulers = again.configure_optimizers()
    assert (critic.defaults["lr"], tuple(critic.defaults["betas"])) == (
        3e-3,
        (0.1, 0.2),
    )
    assert [(s.end_factor, s.total_iters) for s in schedulers] == [(0.5, 7)]


def test_networks_without_a_recipe_are_given_again_when_loading(tmp_path: Path) -> None:
    class Mine(nn.Linear):
        latent_dim = 3

    module = GAN(Mine(3, 2), networks()[1])
    t = trainer()
    t.fit(module, points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    again = GAN.load_from_checkpoint(tmp_path / "x.ckpt", generator=Mine(3, 2))
    assert torch.equal(again.sample(4), module.sample(4))


def test_the_place_in_the_schedule_is_in_the_checkpoint(tmp_path: Path) -> None:
    module = WGAN(*networks(), n_critic=5)
    t = trainer()
    t.fit(module, points(4 * 7))
    t.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert saved["schedule"] == {
        "updates": {"critic": 7, "generator": 1},
        "batches_waiting": 2,
    }
    assert torch.equal(saved["noise"][0], module.noise.state)
    resumed, places = WGAN(*networks(), n_critic=5), []

    class Watch(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            places.append(
                (resumed.turns.state()["batches_waiting"], resumed.step_ended)
            )

    longer = trainer(max_epochs=2, callbacks=[Watch()])
    path = tmp_path / "x.ckpt"
    longer.fit(resumed, points(4 * 7), ckpt_path=path, weights_only=True)
    assert places[:3] == [(3, False), (4, False), (0, True)]
    again = WGAN.load_from_checkpoint(tmp_path / "x.ckpt")
    trainer().test(again, points(), verbose=False)
    assert again.steps_made == t.global_step == 1


def test_a_checkpoint_of_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    t = trainer()
    t.fit(WGAN(*networks()), points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)
    saved["noise"] = saved["noise"].repeat(2, 1)
    torch.save(saved, tmp_path / "two.ckpt")
    with pytest.raises(ValueError, match="2 process"):
        trainer(max_epochs=2).fit(
            WGAN(*networks()), points(), ckpt_path=tmp_path / "two.ckpt"
        )


def test_the_attribute_that_knows_the_cli_still_exists() -> None:
    """`save_hyperparameters` asks Lightning's private context variable."""
    assert hparams_mixin._given_hyperparameters.get() is None


def test_plain_ddp_looks_for_unused_parameters() -> None:
    strategy = DDPStrategy()
    prepare_strategy(strategy)
    assert strategy._ddp_kwargs["find_unused_parameters"] is True
    prepare_strategy(strategy)  # Lightning calls set-up more than once
    with pytest.raises(ValueError, match=r"unused_parameters false .*use .*'ddp'"):
        prepare_strategy(DDPStrategy(find_unused_parameters=False))
    with pytest.raises(ValueError, match=r"static_graph true .*use .*'ddp'"):
        prepare_strategy(DDPStrategy(static_graph=True))


def test_fsdp_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"use trainer\.strategy 'ddp'"):
        prepare_strategy(FSDPStrategy())


def test_weights_of_a_checkpoint_start_a_new_run(tmp_path: Path) -> None:
    """Its noise and its place in the schedule belong to the run that it came from."""
    module = WGANGP(*networks(), n_critic=2)
    trainer(max_steps=2).fit(module, batches(5))
    path = tmp_path / "one.ckpt"
    module.trainer.save_checkpoint(path)
    loaded = WGANGP.load_from_checkpoint(path)
    assert loaded.turns.updates["critic"] == 4
    loaded._noise_states = torch.zeros(2, 1)  # as two processes would have left it
    trainer(max_steps=1).fit(loaded, batches(5))
    assert loaded.turns.updates["critic"] == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GAN(*networks(), n_critic=0), "n_critic must be at least 1"),
        (lambda: WGAN(*networks(), clip=0.0), "clip must be above 0"),
        (lambda: GAN(*networks(), loss="least_squares"), "loss must be"),  # type: ignore[arg-type]
        (lambda: GAN(*networks(), critic_clip_norm=0.0), "critic_clip_norm must be"),
        (lambda: GAN(*networks(), generator_clip_norm=-1.0), "generator_clip_norm"),
        (lambda: WGANGP(*networks(), norm_order=0.5), "norm_order must be"),
        (lambda: WGANGP(*networks(), penalty_weight=-1.0), "penalty_weight"),
        (lambda: WGAN(*networks(), clip=math.nan), "clip must be .* got nan"),
        (lambda: GAN(nn.Linear(2, 2), networks()[1]), "latent_dim"),
    ],
)
def test_impossible_settings_are_refused_by_name(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "key",
    [
        *("penalty_weight", "slope", "norm_order"),
        *("critic_clip_norm", "generator_clip_norm"),
    ],
)
def test_what_is_no_number_is_refused_by_name(key: str) -> None:
    settings: dict[str, Any] = {key: math.nan}
    with pytest.raises(ValueError, match=f"^{key} must be .* got nan"):
        WGANGP(*networks(), **settings)


def test_values_are_recorded_only_at_multiples_of_log_every_n_steps() -> None:
    seen: list[tuple[int, set[str]]] = []
    module = WGANGP(*networks(), n_critic=2)
    module.records.publish = lambda values: seen.append(  # type: ignore[method-assign]
        (module.global_step, set(values))
    )
    trainer(log_every_n_steps=3).fit(module, batches(15))
    names = {"critic_loss", "wasserstein", "penalty", "generator_loss"}
    assert seen == [(step, {f"train/{n}" for n in names}) for step in (3, 6)]


def test_what_a_step_that_is_not_logged_records_is_dropped() -> None:
    module = WGANGP(*networks())
    logged: list[dict[str, Any]] = []
    records = Records(module)
    records.publish = lambda values: logged.append(dict(values))  # type: ignore[method-assign]
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    for every, due in ((0, True), (1, False), (2, True), (1, True)):
        records.every = every
        records.start(due=due)  # the first counted step
        records.add(loss=torch.tensor(float(every)))
        records.end()
    assert logged == [{"train/loss": torch.tensor(1.0)}]


# Arguments ----------------------------------------------------------------------------


def test_arguments_become_plain_or_are_left_out() -> None:
    """Networks become recipes, factories class names; a lambda has no plain form."""
    generator, _ = networks()
    arguments = {
        "generator": generator,
        "critic": nn.Linear(2, 1),
        "n_critic": 3,
        "ks": (1, 2),
        "optimizer": lambda p: Adam(p, lr=0.5),
        "scheduler": lambda o: LambdaLR(o, lambda _: 1.0),
    }
    plain = plain_arguments(WGAN, arguments)
    assert plain.keys() - {"_class_path", "_instantiator"} == {
        *("generator", "n_critic", "ks", "optimizer")
    }
    assert plain["_class_path"] == "lightning_modules.WGAN"
    assert plain["generator"] == recipe_of(generator)
    assert plain["optimizer"]["class_path"] == "torch.optim.adam.Adam"
    assert plain["optimizer"]["init_args"]["lr"] == 0.5


@pytest.mark.parametrize(
    ("check", "fine", "refused"),
    [
        (lambda x: check_nonnegative(x=x), (0, 1.5), (-1e-9, math.inf, math.nan)),
        (lambda x: check_positive(x=x), (1e-9, math.inf, None), (0, -1, math.nan)),
        (lambda x: check_at_least(2, x=x), (2, 3, None), (1, -5)),
        (lambda x: check_choice("x", x, ("a", "b")), ("a", "b"), ("c", "")),
    ],
    ids=["nonnegative", "positive", "at least", "choice"],
)
def test_a_number_or_word_out_of_its_range_is_refused_by_its_key(
    check: Callable[[Any], None], fine: tuple[Any, ...], refused: tuple[Any, ...]
) -> None:
    for value in fine:
        check(value)
    for value in refused:
        with pytest.raises(ValueError, match=rf"^x must be .*, got '?{value}'?\.$"):
            check(value)


# Untrusted files ----------------------------------------------------------------------


class OwnCritic(nn.Linear):
    """A network that the program has not decorated with `remembers`."""


HERE = __name__
TREES = st.builds(
    hostile_tree,
    st.sampled_from(HOSTILE),
    st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, st.sampled_from(VALUES))),
    st.sampled_from(WAYS),
)


@pytest.fixture(scope="module")
def checkpoints() -> dict[type, dict[str, Any]]:
    """What checkpoints hold of methods that build networks from arguments."""
    modules: list[AlternatingModule] = [
        WGANGP(*networks()),
        WDGRL(LinearMap((2,)), LinearMap((2,)), MLPCritic((2,)), n_classes=2),
        MetricLearner(LinearMap((2,))),
    ]
    return {
        type(module): {
            "pytorch-lightning_version": lightning.__version__,
            "state_dict": module.state_dict(),
            "hyper_parameters": dict(module.hparams),
            "schedule": module.turns.state(),
        }
        for module in modules
    }


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A module on the path that leaves a file where it is imported."""
    folder = tmp_path_factory.mktemp("evil")
    mark = folder / "imported"
    code = (
        f"open({str(mark)!r}, 'w')\nfrom torch import nn\nclass Critic(nn.Linear): ..."
    )
    (folder / "evilmod.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield mark


@pytest.fixture(scope="module")
def _stack_unread() -> Iterator[None]:
    """Lightning reads the source of every frame, to see whether torch.jit calls."""
    with pytest.MonkeyPatch.context() as patch:
        module = "lightning.pytorch.utilities.model_helpers.inspect"
        patch.setattr(module, SimpleNamespace(stack=list))
        yield


@pytest.mark.usefixtures("_stack_unread")
@given(cls=st.sampled_from([WGANGP, WDGRL, MetricLearner]), data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_an_untrusted_checkpoint_names_is_imported_or_called(
    cls: type[AlternatingModule],
    data: st.DataObject,
    checkpoints: dict[type, dict[str, Any]],
    evil: Path,
    tmp_path: Path,
) -> None:
    content = checkpoints[cls]
    arguments = dict(content["hyper_parameters"])
    key = data.draw(st.sampled_from(sorted(arguments)))
    arguments[key] = data.draw(TREES)
    torch.save({**content, "hyper_parameters": arguments}, tmp_path / "x.ckpt")
    with contextlib.suppress(ValueError, TypeError, RuntimeError, ArgumentError):
        cls.load_from_checkpoint(tmp_path / "x.ckpt")
    assert not CALLED
    assert not evil.exists()
    assert "evilmod" not in sys.modules
    assert not Path("ran").exists()


@pytest.mark.parametrize("path", [path for path in HOSTILE if "." in path])
def test_what_a_file_may_not_name_is_told_with_the_remedy(
    path: str, checkpoints: dict[type, dict[str, Any]], tmp_path: Path
) -> None:
    critic = {"class_path": path, "init_args": {}}
    arguments = checkpoints[WGANGP]["hyper_parameters"] | {"critic": critic}
    content = checkpoints[WGANGP] | {"hyper_parameters": arguments}
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match=rf"x.ckpt' names '{path}'.*trusted="):
        WGANGP.load_from_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.filterwarnings("ignore:Found keys that are")
def test_a_class_that_the_caller_trusts_is_built(
    checkpoints: dict[type, dict[str, Any]], tmp_path: Path
) -> None:
    path = f"{HERE}.OwnCritic"
    critic = {"class_path": path, "init_args": {"in_features": 2, "out_features": 1}}
    arguments = checkpoints[WGANGP]["hyper_parameters"] | {"critic": critic}
    content = checkpoints[WGANGP] | {"hyper_parameters": arguments}
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match="trusted="):
        WGANGP.load_from_checkpoint(tmp_path / "x.ckpt", strict=False)
    for trusted in (path, HERE):
        module = WGANGP.load_from_checkpoint(
            tmp_path / "x.ckpt", trusted=[trusted], strict=False
        )
        assert isinstance(module.critic, OwnCritic)
    with pytest.raises(ValueError, match="trusted="):  # and is forgotten
        WGANGP.load_from_checkpoint(tmp_path / "x.ckpt", strict=False)


# Values that are not finite -----------------------------------------------------------


class Poison(Callback):
    """Puts NaN into a weight or a buffer before a step."""

    def __init__(self, name: str, step: int) -> None:
        self.name, self.step = name, step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        if trainer.global_step == self.step - 1:
            poison(pl_module, self.name)


@torch.no_grad()
def poison(module: LightningModule, name: str, rows: slice = slice(None)) -> None:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    tensors[name][rows] = torch.nan


def fit(method: Any, *callbacks: Callback, steps: int = 6, **options: Any) -> Any:
    """The method after some steps, or after it was solved."""
    module, data = build(method, **options)
    assert isinstance(module, AlternatingModule)
    saves = any(isinstance(one, Checkpoint) for one in callbacks)
    Trainer(
        **(QUIET_TRAINER | {"enable_checkpointing": saves}),
        max_steps=steps if module.learners() else -1,
        max_epochs=-1 if module.learners() else 1,
        limit_train_batches=7,
        limit_val_batches=0,
        callbacks=list(callbacks),
    ).fit(module, data)
    return module


@pytest.mark.parametrize("method", EVERY)
def test_nan_in_any_weight_stops_the_fit_at_its_step(method: Any) -> None:
    module = fit(method, steps=1)
    stepped = bool(module.learners())
    names = [n for n, _ in module.named_parameters()] if stepped else []
    names += [n for n, x in module.named_buffers() if x.is_floating_point()]
    assert names
    weights = dict(module.named_parameters())
    for name in names:
        # losses do not show running statistics: the check of the weights does
        told = "at step 3: start again" if name in weights else f"^{name} holds NaN"
        with pytest.raises(NotFiniteError, match=told):
            fit(method, Poison(name, 3 if stepped else 1))


@pytest.mark.parametrize("method", [m for m in EVERY if "lr" not in accepted_names(m)])
def test_no_rate_leaves_weights_that_are_not_finite(method: Any) -> None:
    names = [name for name in accepted_names(method) if name.endswith("optimizer")]
    huge: dict[str, Any] = {name: lambda p: SGD(p, lr=1e30) for name in names}
    with suppress(NotFiniteError):
        module = fit(method, steps=30, **huge)
        assert all(x.isfinite().all() for x in module.state_dict().values())


class NanUpdate(Callback):
    """Has the last update use gradients of NaN, which no loss shows."""

    def on_before_optimizer_step(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == 5:
            for group in trainer.optimizers[-1].param_groups:
                for weight in group["params"]:
                    weight.grad = torch.full_like(weight, torch.nan)


@pytest.mark.parametrize("method", [WGANGP, BPR])
def test_nothing_is_written_of_a_last_update_by_nan(
    method: Any, tmp_path: Path
) -> None:
    saves = Checkpoint(tmp_path, every_n_train_steps=2, save_last=True, save_top_k=-1)
    average = [WeightEMA(0.5), ExportNetwork()] if method is WGANGP else []
    with pytest.raises(NotFiniteError, match=r"after step 6: .*'.*last.ckpt', of step"):
        fit(method, NanUpdate(), saves, *average)
    written = sorted(tmp_path.iterdir())
    assert [path.suffix for path in written] == [".ckpt"] * 4
    for path in written:
        saved = torch.load(path, weights_only=True)
        shadows = saved["callbacks"].get("WeightEMA", {}).get("shadow", {})
        values: list[Tensor] = [*saved["state_dict"].values(), *shadows.values()]
        assert all(value.isfinite().all() for value in values)
        method.load_from_checkpoint(path)


def test_rows_that_no_batch_uses_are_found_before_a_checkpoint() -> None:
    module = fit(CML)
    module.trainer.limit_val_batches = 0
    poison(module, "items.weight", slice(39, 40))
    with pytest.raises(NotFiniteError, match=r"^items.weight holds NaN"):
        module.on_save_checkpoint({"state_dict": module.state_dict()})


def test_a_mask_of_infinities_is_no_divergence() -> None:
    module = fit(WGAN, steps=1)
    module.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    module.on_save_checkpoint({"state_dict": module.state_dict()})


def stopped(rank: int) -> str:
    """What a process says whose fellow alone computes NaN at step 3."""
    os.environ |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    module, data = build(BPR)
    assert isinstance(module, BPR)
    loss = module.pair_loss

    def pair_loss(pairs: Any) -> tuple[Tensor, Tensor]:
        value, items = loss(pairs)
        bad = rank == 1 and module.global_step == 2
        return (value * math.nan if bad else value), items

    module.pair_loss = pair_loss  # type: ignore[method-assign]
    options = {"devices": 2, "strategy": "ddp", "use_distributed_sampler": False}
    run = Trainer(**QUIET_TRAINER, **options, max_steps=9, limit_val_batches=0)  # type: ignore[arg-type]
    try:
        run.fit(module, data)
    except NotFiniteError as error:
        return f"{module.global_step} {error}"
    return "nothing"


def test_all_processes_stop_together_one_batch_late(tmp_path: Path) -> None:
    first, second = on_two_ranks(stopped, tmp_path)
    assert first == second
    assert first.startswith("4 The loss of 'tables' is NaN at step 3: start again")


class Wish(Callback):
    """Rank 1 alone wants to end after step 2."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        module.divergence.wants_end = self.rank == 1 and module.global_step >= 2
        trainer.should_stop = module.divergence.all_end


def ended(rank: int) -> int:
    """The step after which a process knows that one of them wants to end."""
    os.environ |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    module, data = build(BPR)
    options = {"devices": 2, "strategy": "ddp", "use_distributed_sampler": False}
    options |= {"max_steps": 9, "limit_val_batches": 0, "callbacks": [Wish(rank)]}
    Trainer(**QUIET_TRAINER, **options).fit(module, data)  # type: ignore[arg-type]
    return module.global_step


def test_all_processes_end_together_when_one_wants_to(tmp_path: Path) -> None:
    assert on_two_ranks(ended, tmp_path) == [4, 4]


@pytest.mark.parametrize("method", EVERY)
def test_weights_of_nan_are_not_evaluated(method: Any) -> None:
    fitted, data = fit(method), build(method)[1]
    run = Trainer(**QUIET_TRAINER)
    names = [n for n, x in fitted.state_dict().items() if x.is_floating_point()]
    poison(fitted, names[0])
    with pytest.raises(NotFiniteError, match="use a checkpoint from before training"):
        run.test(fitted, data, verbose=False)


@pytest.mark.parametrize("method", [BPR, lightning_modules.Classifier])
def test_scores_of_nan_are_not_evaluated(method: Any) -> None:
    module = fit(method)
    if isinstance(module, BPR):
        module.evaluator.rank = lambda users, *_: (  # type: ignore[method-assign]
            torch.zeros(len(users), 40, dtype=torch.int64),
            torch.full((len(users), 40), torch.nan),
        )
    else:
        module.network.register_forward_hook(lambda *a: a[-1] * math.nan)
    with pytest.raises(NotFiniteError, match="can't be evaluated"):
        Trainer(**QUIET_TRAINER).test(module, build(method)[1], verbose=False)


def test_a_class_that_is_left_out_is_no_divergence() -> None:
    evaluator: Evaluator[Any] = Evaluator()
    evaluator.watch(torch.tensor([0.0, -torch.inf]))
    evaluator.refuse_outputs()
    for value in (torch.nan, torch.inf):
        evaluator.watch(torch.tensor([0.0, value]))
        with pytest.raises(NotFiniteError):
            evaluator.refuse_outputs()
    evaluator.refuse_outputs()


# A second fit, pickles, other files ---------------------------------------------------


@pytest.mark.parametrize(
    "budget", [{"max_steps": 2, "max_epochs": 9}, {"max_epochs": 1}], ids=str
)
def test_a_trainer_that_has_made_its_steps_refuses_another_fit(
    budget: dict[str, Any],
) -> None:
    run = Trainer(**QUIET_TRAINER, **budget, limit_val_batches=0)
    run.fit(*build(WGAN, n_critic=1))
    with pytest.raises(ValueError, match="make a new Trainer for this fit"):
        run.fit(*build(WGAN, n_critic=1))
    made = run.global_step
    run.fit_loop.max_epochs = 10  # the trainer goes on where it is given more steps
    run.fit_loop.epoch_loop.max_steps = made + 2
    run.fit(*build(WGAN, n_critic=1))
    assert run.global_step == made + 2


@pytest.mark.parametrize("method", EVERY)
def test_every_method_is_pickled_before_and_after_a_fit(method: Any) -> None:
    type("Child", (method,), {})  # has the defaults of its parent
    for module in (build(method)[0], fit(method, steps=1)):
        again = pickle.loads(pickle.dumps(module))
        assert type(again) is method
        before = module.state_dict()
        assert all(torch.equal(v, before[k]) for k, v in again.state_dict().items())


NEEDED: dict[str, Any] = {
    "shape": (1, 16, 16),
    "params": [nn.Parameter(torch.zeros(1, 1))],
    "latent_dim": 2,
    "n_features": 2,
    "n_classes": 2,
    "optimizer": SGD([nn.Parameter(torch.zeros(1, 1))], lr=1.0),
    "total_iters": 3,
}


@pytest.mark.parametrize("name", lightning_modules.__all__)
def test_every_class_is_pickled(name: str) -> None:
    cls: Any = vars(lightning_modules)[name]
    if not isinstance(cls, type) or cls in EVERY:
        assert pickle.loads(pickle.dumps(cls)) is cls
        return
    needed = {k: v for k, v in NEEDED.items() if k in accepted_names(cls)}
    if issubclass(cls, torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler):
        first = "params" if issubclass(cls, torch.optim.Optimizer) else "optimizer"
        needed[first] = NEEDED[first]
    # one needs a package, the other a method and its data
    if cls not in (lightning_modules.Backbone, lightning_modules.Recommender):
        assert type(pickle.loads(pickle.dumps(cls(**needed)))) is cls


def test_a_file_that_does_not_fit_the_class_is_refused(tmp_path: Path) -> None:
    module, t = WGANGP(*networks()), trainer()
    t.fit(module, points())
    path = tmp_path / "x.ckpt"
    t.save_checkpoint(path)
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    for cls, file, arguments, told in (
        (WGAN, path, {}, "was written by WGANGP and not by WGAN: call WGANGP.load"),
        (WGANGP, path, {"slop": 2}, "no argument 'slop': did you mean slope?"),
        (WGANGP, path, {"slope": "steep"}, "^WGANGP: slope can't have .*: steep.$"),
        (WGANGP, tmp_path / "weights.pt", {}, "does not hold a checkpoint"),
    ):
        with pytest.raises(ValueError, match=told):
            cls.load_from_checkpoint(file, **arguments)
