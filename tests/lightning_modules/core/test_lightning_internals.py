"""Each private name that the library uses still does what it is used for."""

import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import Tensor, nn

from lightning_modules.core import lightning_internals as internals
from lightning_modules.core.lightning_internals import ConfigDecides, OpenCheckpoint
from tests.support.games import logged
from tests.support.trainers import QUIET_TRAINER

SUBCOMMANDS = ("fit", "validate", "test", "predict")
REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("lightning_modules", "datamodules", "callbacks", "wasserstein_critics")


@contextmanager
def register(part: Any, *users: str) -> Iterator[None]:
    """What the block shows, with the name and the users of what has changed."""
    try:
        yield
    except Exception as error:
        name = part if isinstance(part, str) else part.__qualname__
        names = ", ".join(users or users_of(name.split(".")[-1])) or "nobody yet"
        pytest.fail(
            f"{name} in core/lightning_internals.py, used by {names}, does not fit "
            f"this release: {type(error).__name__}: {error}"
        )


def users_of(name: str) -> list[str]:
    """Files outside the register that say a name."""
    return [
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if name in path.read_text() and path.stem != "lightning_internals"
    ]


def test_what_has_changed_and_who_uses_it_are_named() -> None:
    with (
        pytest.raises(
            pytest.fail.Exception, match=r"(?s)OpenCheckpoint.*checkpoint.py"
        ),
        register(OpenCheckpoint, "callbacks/runs/checkpoint.py"),
    ):
        raise AttributeError("_fs")


class Watch(pl.Callback):
    """Calls a function after each training batch."""

    def __init__(self, function: Callable[[Trainer], Any]) -> None:
        self.function, self.values = function, list[Any]()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.values.append(self.function(trainer))


def trainer(**options: Any) -> Trainer:
    defaults = {
        **QUIET_TRAINER,
        "max_epochs": 1,
        "limit_train_batches": 4,
        "limit_val_batches": 1,
        "num_sanity_val_steps": 0,
    }
    return Trainer(**{**defaults, **options})


def watched(function: Callable[[Trainer], Any], **options: Any) -> list[Any]:
    watch = Watch(function)
    trainer(callbacks=[watch], **options).fit(BoringModel())
    return watch.values


# Trainer ------------------------------------------------------------------------------


def test_a_resumed_run_is_told_from_a_new_one(tmp_path: Path) -> None:
    with register(internals.is_resumed):
        watch = Watch(internals.is_resumed)
        first = trainer(callbacks=[watch])
        first.fit(BoringModel())
        first.save_checkpoint(tmp_path / "one.ckpt")
        second = trainer(max_epochs=2, callbacks=[watch])
        second.fit(BoringModel(), ckpt_path=tmp_path / "one.ckpt")
        assert watch.values == 4 * [False] + 4 * [True]


def test_a_requeued_run_is_a_resumed_one(tmp_path: Path) -> None:
    with register(internals.is_resumed):
        first = trainer(max_steps=1)
        first.fit(BoringModel())
        first.save_checkpoint(tmp_path / "hpc_ckpt_1.ckpt")
        options = {"max_steps": 2, "default_root_dir": tmp_path}
        assert set(watched(internals.is_resumed, **options)) == {True}


def test_a_fit_is_told_from_a_test() -> None:
    with register(internals.is_fitting):
        assert watched(internals.is_fitting, max_steps=1) == [True]
        tester = trainer(limit_test_batches=1)
        tester.test(BoringModel(), verbose=False)
        assert not internals.is_fitting(tester)


def test_a_validation_is_announced_by_the_batch_before_it() -> None:
    with register(internals.validation_follows):
        values = watched(internals.validation_follows, val_check_interval=2)
        assert values == [False, True, False, True]


class AsksBetween(BoringModel):
    """Asks in the middle of a training step."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        assert internals.batches_in_flight(self.trainer) == 1
        return super().training_step(batch, batch_idx)


def test_batches_are_in_flight_while_a_step_is_made() -> None:
    with register(internals.batches_in_flight):
        watch = Watch(internals.batches_in_flight)
        trainer(callbacks=[watch]).fit(AsksBetween())
        assert watch.values == [0, 0, 0, 0]


def test_trained_batches_are_counted_over_epochs() -> None:
    with register(internals.batches_trained):
        options = {"max_epochs": 2, "limit_train_batches": 2}
        assert watched(internals.batches_trained, **options) == [1, 2, 3, 4]


def sums(trainer: Trainer) -> dict[str, list[float]]:
    """Log 1 by epoch, add ten to what has added up, and read it."""
    module = trainer.lightning_module
    for how in ("mean", "sum", "max"):
        module.log(how, torch.ones(()), on_epoch=True, reduce_fx=how, batch_size=1)
    found = internals.epoch_sums(trainer)
    more = {
        key: [torch.full((), 10.0), torch.tensor(1)][: len(found[key])] for key in found
    }
    internals.add_epoch_sums(trainer, more)
    assert more == {}
    found = internals.epoch_sums(trainer)
    return {key.rpartition(".")[2]: [x.item() for x in v] for key, v in found.items()}


def test_what_adds_up_over_an_epoch_can_be_read_and_added_to() -> None:
    with register(internals.epoch_sums), register(internals.add_epoch_sums):
        first, second, third, end = watched(sums)
        assert first == {"mean": [11, 2], "sum": [11], "max": [10]}
        assert second == {"mean": [22, 4], "sum": [22], "max": [10]}
        assert third == {"mean": [33, 6], "sum": [33], "max": [10]}
        assert end == {}  # of a finished epoch nothing goes on


def test_a_module_without_a_trainer_says_none() -> None:
    with register(internals.attached_trainer):
        module = BoringModel()
        assert internals.attached_trainer(module) is None
        module.trainer = one = trainer()
        assert internals.attached_trainer(module) is one


def test_the_stand_in_for_a_logger_is_none(tmp_path: Path) -> None:
    with register(internals.real_loggers):
        logger = CSVLogger(tmp_path)
        assert internals.real_loggers(trainer(logger=logger)) == [logger]
        assert internals.real_loggers(trainer(logger=True, fast_dev_run=True)) == []


# Strategies and precision -------------------------------------------------------------


def test_the_root_directory_of_a_trainer_can_be_set(tmp_path: Path) -> None:
    with register(internals.set_root_directory):
        run = trainer()
        internals.set_root_directory(run, tmp_path / "there")
        assert run.default_root_dir == run.log_dir == str(tmp_path / "there")


def test_options_of_ddp_can_be_changed() -> None:
    with register(internals.ddp_options):
        strategy = DDPStrategy(find_unused_parameters=True, static_graph=False)
        options = internals.ddp_options(strategy)
        assert options == {"find_unused_parameters": True, "static_graph": False}
        options["bucket_cap_mb"] = 1
        assert internals.ddp_options(strategy)["bucket_cap_mb"] == 1


def test_only_model_parallel_strategies_have_a_mesh() -> None:
    with register(internals.device_mesh):
        assert internals.device_mesh(trainer().strategy) is None
        strategy = ModelParallelStrategy()
        assert internals.device_mesh(strategy) is None  # before set-up
        vars(strategy)["_device_mesh"] = mesh = object()
        assert internals.device_mesh(strategy) is mesh


def test_only_a_fused_optimizer_gets_scaled_gradients() -> None:
    with register(internals.gradient_scale):
        weights = [nn.Parameter(torch.ones(1))]
        fused, plain = (torch.optim.Adam(weights, fused=x) for x in (True, False))
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        half = trainer(plugins=MixedPrecision("16-mixed", "cpu", scaler))
        scaler.scale(torch.ones(1))  # from here on it has a scale
        assert internals.gradient_scale(half, fused) == 8.0
        assert internals.gradient_scale(half, plain) == 1.0
        assert internals.gradient_scale(trainer(), fused) == 1.0
        bfloat = trainer(plugins=MixedPrecision("bf16-mixed", "cpu"))
        assert internals.gradient_scale(bfloat, fused) == 1.0


# Arguments ----------------------------------------------------------------------------

QUIET: dict[str, Any] = {"save_config_callback": None, "seed_everything_default": 0}


class Base(LightningModule):
    def __init__(self, width: int = 1) -> None:
        super().__init__()
        frame = inspect.currentframe()
        assert frame is not None
        self.width = width
        self.built_by_cli = internals.built_by_cli()
        self.arguments = internals.constructor_arguments(frame)


class Derived(Base):
    def __init__(self, depth: int = 2, **options: int) -> None:
        super().__init__(**options)
        self.depth = depth


def test_arguments_of_a_class_and_of_its_base_are_found() -> None:
    with register(internals.constructor_arguments):
        assert Derived(depth=3, width=4).arguments == {"depth": 3, "width": 4}


@pytest.mark.filterwarnings("ignore:.*instantiate_classes")
def test_the_command_line_is_told_from_a_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with register(internals.built_by_cli):
        cli = ConfigDecides(Derived, run=False, **QUIET)
        assert cli.model.built_by_cli
        assert not Derived().built_by_cli


@pytest.mark.filterwarnings("ignore:.*instantiate_classes")
def test_the_configuration_is_dumped_as_by_lightning_without_another_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with register(ConfigDecides._dump_config):
        cli = ConfigDecides(Derived, run=False, **QUIET)
        checks: list[object] = []
        monkeypatch.setattr(cli.parser, "validate", lambda *a, **_: checks.append(a))
        dumped = []
        for cls in (ConfigDecides, LightningCLI):
            del cli.config_dump
            cls._dump_config(cli)
            dumped.append((cli.config_dump, len(checks)))
        (ours, before), (theirs, after) = dumped
        assert ours == theirs
        assert before == 0 < after


# Networks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2)]
)
def test_batch_norm_mixes_rows(layer: nn.Module) -> None:
    with register(internals.mixes_rows):
        assert internals.mixes_rows(nn.Sequential(nn.Sequential(layer)))
        assert not internals.mixes_rows(nn.Sequential(nn.LayerNorm(2), nn.Dropout()))


class DropPath(nn.Module):
    """As in timm."""


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.Dropout2d(), DropPath()])
def test_dropout_is_stochastic(layer: nn.Module) -> None:
    with register(internals.has_stochastic_layers):
        assert internals.has_stochastic_layers(nn.Sequential(nn.Sequential(layer)))
        assert not internals.has_stochastic_layers(nn.Sequential(nn.BatchNorm1d(2)))


def test_stochastic_depth_of_torchvision_has_its_name() -> None:
    from torchvision.ops import StochasticDepth

    with register(internals.has_stochastic_layers):
        assert internals.has_stochastic_layers(StochasticDepth(0.5, "row"))


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm2d(2), nn.GroupNorm(1, 2), nn.LayerNorm(2), nn.InstanceNorm1d(2)],
)
def test_four_kinds_of_normalisation_are_known(layer: nn.Module) -> None:
    with register(internals.is_normalisation):
        assert internals.is_normalisation(layer)
        assert not internals.is_normalisation(nn.Linear(2, 2))


def test_many_tensors_move_at_once() -> None:
    with register(internals.lerp_all_):
        ends = [torch.zeros(2), torch.ones(1)]
        internals.lerp_all_(ends, [torch.ones(2), torch.zeros(1)], 0.25)
        assert [end.tolist() for end in ends] == [[0.25, 0.25], [0.75]]


def test_the_backward_pass_is_compiled_with_the_forward_pass() -> None:
    from torch._functorch import config

    with register(internals.compiling_backward_at_once):
        with internals.compiling_backward_at_once():
            assert config.force_non_lazy_backward_lowering
        assert not config.force_non_lazy_backward_lowering


def test_a_module_is_moved_through_apply() -> None:
    class Told(nn.Module):
        told = False

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            self.told = True
            return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    with register("nn.Module._apply", "metrics/features.py"):
        inner = Told()
        nn.Sequential(inner).to(torch.float64)
        assert inner.told


def test_what_compiles_has_loaded_dynamo() -> None:
    with register("torch._dynamo", "functional/lipschitz.py"):
        torch.compile(torch.neg, backend="eager")(torch.ones(1))
        assert "torch._dynamo" in sys.modules


# Command line and loggers -------------------------------------------------------------


class Described(ConfigDecides):
    """Describes its subcommands and reads its keys; runs nothing."""

    def setup_parser(self, *args: Any) -> None:
        super().setup_parser(*args)
        texts = {name: f"It will {name}" for name in SUBCOMMANDS}
        internals.describe_subcommands(self.parser, texts)

    def _run_subcommand(self, *_: Any) -> None:
        self.help, self.keys = self.parser.format_help(), self.option_names


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Described:
    """As called to test a checkpoint of other arguments."""
    path = tmp_path / "old.ckpt"
    torch.save({"hyper_parameters": {"depth": 5}}, path)
    words = ["train.py", "test", "--model.depth=7", f"--ckpt_path={path}"]
    monkeypatch.setattr(sys, "argv", words)
    return Described(Derived, **QUIET)


@pytest.mark.filterwarnings("ignore:.*instantiate_classes")
def test_keys_and_texts_of_subcommands_are_reached(cli: Described) -> None:
    with register(internals.describe_subcommands):
        assert all(f"It will {name}" in cli.help for name in SUBCOMMANDS)
    with register(ConfigDecides):
        assert {"config", "trainer.max_steps", "model.depth"} <= cli.keys


@pytest.mark.filterwarnings("ignore:.*instantiate_classes")
def test_the_subcommand_that_was_asked_for_alone_gets_its_options(
    cli: Described, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def counted(cli: ConfigDecides) -> dict[str, int]:
        parsers = cli._subcommand_parsers
        return {name: len(parsers[name]._actions) for name in SUBCOMMANDS}

    with register(ConfigDecides):
        options = counted(cli)
        assert options.pop("test") > 50
        assert max(options.values()) < 10  # --help, --config
        settings = tmp_path / "settings.yaml"
        settings.write_text("fit:\n  model:\n    depth: 3\ntest: {}\n")
        monkeypatch.setattr(sys, "argv", ["train.py", f"--config={settings}", "fit"])
        cli = Described(Derived, **QUIET)
        assert min(counted(cli).values()) > 50
        assert cli.model.arguments["depth"] == 3


@pytest.mark.filterwarnings("ignore:.*instantiate_classes")
def test_the_config_wins_over_the_checkpoint(cli: Described) -> None:
    with register(ConfigDecides):
        assert cli.model.arguments["depth"] == 7


def test_settings_of_a_class_that_is_replaced_can_be_dropped() -> None:
    changes = []

    def changed(old: str, new: str, given: dict[str, Any]) -> list[str]:
        changes.append((old.split(".")[-1], new.split(".")[-1], given))
        return ["p"]

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(nn.Module, "net")
    words = ["--net=torch.nn.Dropout", "--net.p=0.1", "--net.inplace=true"]
    words += ["--net=torch.nn.Dropout2d"]
    with register(internals.watched_class_changes):
        with internals.watched_class_changes(changed):
            found = parser.parse_args(words).net.init_args.as_dict()
        assert ("Dropout", "Dropout2d", {"p": 0.1, "inplace": True}) in changes
        assert found == {"p": 0.5, "inplace": True}
        assert parser.parse_args(words).net.init_args.p == 0.1


def network_of_a_function() -> nn.Module:
    """What jsonargparse calls where a network is wanted."""
    return nn.Linear(1, 1)


def test_values_of_a_parser_name_classes_alone() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--net", type=nn.Module)
    function = f"--net={__name__}.network_of_a_function"
    dropout, linear = "--net=torch.nn.Dropout", "--net=torch.ao.nn.qat.Linear"
    with register(internals.classes_alone):
        assert parser.parse_args([function])
        with internals.classes_alone() as refused:
            assert parser.parse_args([dropout])
            with pytest.raises(ArgumentError):
                parser.parse_args([function])
            with pytest.raises(ArgumentError):
                parser.parse_args(["--net=os.system"])
        assert set(refused) == {function[6:], "os.system"}
        with internals.classes_alone(["torch.nn"]) as refused:
            assert parser.parse_args([dropout])
            with pytest.raises(ArgumentError):
                parser.parse_args([linear])
        assert set(refused) == {linear[6:]}
        assert parser.parse_args([function])


class Inner:
    def __init__(self, width: int, weights: str | None = "some") -> None:
        self.width, self.weights = width, weights


class Outer:
    def __init__(self, inner: Inner) -> None:
        self.inner = inner


def test_a_parser_accepts_for_a_while_that_a_class_lacks_an_argument() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Outer, "outer")
    words = ["--outer=Outer", "--outer.inner=Inner"]
    with internals.may_lack({"width"}):
        assert parser.parse_args(words).outer.init_args.inner.init_args.width is None
    with pytest.raises(ArgumentError, match="required: width"):
        parser.parse_args(words)


def test_null_for_a_class_within_a_class_is_null() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Outer, "outer")
    words = ["--outer=Outer", "--outer.inner=Inner", "--outer.inner.width=1"]
    with internals.nulls_read():
        parsed = parser.parse_args([*words, "--outer.inner.weights=null"])
    assert parsed.outer.init_args.inner.init_args.weights is None


def test_a_wandb_run_is_continued_by_its_id(tmp_path: Path) -> None:
    with register(internals.set_wandb_id):
        logger = WandbLogger(save_dir=tmp_path, offline=True)
        assert internals.given_wandb_id(logger) is None
        internals.set_wandb_id(logger, "abc123")
        assert internals.given_wandb_id(logger) == logger.version == "abc123"
        assert logger.experiment.id == "abc123"
        logger.experiment.finish()


def test_a_wandb_logger_opens_another_run(tmp_path: Path) -> None:
    with register(internals.open_again):
        logger = WandbLogger(save_dir=tmp_path, offline=True)
        first = logger.experiment
        first.finish()
        internals.open_again(logger)
        assert logger.experiment.id != first.id
        logger.experiment.finish()


# Callbacks ----------------------------------------------------------------------------


def test_a_state_key_tells_settings_apart() -> None:
    with register(internals.state_key):
        keys = {internals.state_key(Watch(print), n=n) for n in (1, 2)}
        assert len(keys) == 2
        assert all(key.startswith("Watch") for key in keys)


def test_a_trainer_gives_no_tips() -> None:
    with register(internals.silence_tips, "lightning_modules/__init__.py"):
        logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
        for text, is_shown in (
            ("💡 Tip: install litlogger", False),
            ("TPU available: False, using: 0 TPU cores", False),
            (
                "Loading `train_dataloader` to estimate number of stepping batches",
                False,
            ),
            ("GPU available: True, used: True", True),
        ):
            record = logging.LogRecord("", logging.INFO, "", 0, text, None, None)
            assert bool(logger.filter(record)) == is_shown


def test_lightning_s_old_way_of_using_torch_is_not_told() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        internals.silence_tips()
        warnings.warn("`isinstance(treespec, LeafSpec)` is old", FutureWarning, 2)
        with pytest.raises(FutureWarning, match="other"):
            warnings.warn("other", FutureWarning, 2)


def test_wandb_is_given_no_setting_without_a_value(tmp_path: Path) -> None:
    with register(internals.leave_out_anonymous):
        logger = WandbLogger(save_dir=tmp_path)
        assert "anonymous" in logger._wandb_init
        internals.leave_out_anonymous(logger)
        assert "anonymous" not in logger._wandb_init


def test_the_step_of_the_loggers_can_be_set(tmp_path: Path) -> None:
    class Stepped(BoringModel):
        def on_train_batch_end(self, *_: Any) -> None:
            internals.set_logger_step(self.trainer, 70 + self.global_step)

        def on_validation_epoch_end(self) -> None:
            self.log("value", 1.0)

    with register(internals.set_logger_step):
        logger = CSVLogger(tmp_path)
        options = QUIET_TRAINER | {"logger": logger, "num_sanity_val_steps": 0}
        options |= {"limit_train_batches": 3, "limit_val_batches": 1}
        Trainer(max_epochs=1, **options).fit(Stepped())
        assert list(logged(logger, "value")) == [73]


def test_a_checkpoint_of_lightning_by_the_clock_is_told_from_ours() -> None:
    with register(internals.saves_by_the_clock):
        options: Any = {"train_time_interval": timedelta(seconds=1)}
        assert internals.saves_by_the_clock(ModelCheckpoint(**options))
        assert not internals.saves_by_the_clock(ModelCheckpoint())
        assert not internals.saves_by_the_clock(OpenCheckpoint(**options))


def test_intervals_of_a_checkpoint_can_be_read() -> None:
    from datetime import timedelta

    with register(OpenCheckpoint):
        steps = OpenCheckpoint(every_n_train_steps=3)
        assert (steps.update_interval, steps.epoch_interval, steps.seconds) == (
            3,
            0,
            None,
        )
        assert OpenCheckpoint().epoch_interval == 1
        assert OpenCheckpoint(train_time_interval=timedelta(minutes=1)).seconds == 60.0


class Recorded(OpenCheckpoint):
    """Writes where it was told, and says the names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.written = list[str]()

    def name_values(self, trainer: Trainer) -> dict[str, Tensor]:
        return super().name_values(trainer) | {"own": torch.tensor(7)}

    def write(self, trainer: Trainer, filepath: str) -> None:
        self.written.append(Path(filepath).name)
        super().write(trainer, filepath)


def test_lightnings_own_saving_goes_through_the_public_names(tmp_path: Path) -> None:
    with register(OpenCheckpoint):
        checkpoint = Recorded(dirpath=tmp_path, filename="{own}", save_last=True)
        trainer(callbacks=[checkpoint], enable_checkpointing=True).fit(BoringModel())
        assert checkpoint.written == ["own=7.ckpt", "last.ckpt"]
        assert all((tmp_path / name).is_file() for name in checkpoint.written)
        assert checkpoint.last_step == 4


def test_what_saves_can_be_asked_and_called(tmp_path: Path) -> None:
    with register(OpenCheckpoint):
        checkpoint = Recorded(dirpath=tmp_path, every_n_train_steps=100, save_last=True)
        options: dict[str, Any] = {"enable_checkpointing": True}

        def asked(running: Trainer) -> tuple[bool, bool]:
            before = checkpoint.may_save(running)
            checkpoint.save_ranked(running)
            checkpoint.save_newest(running)
            return before, checkpoint.may_save(running)

        watch = Watch(asked)
        one = trainer(callbacks=[checkpoint, watch], max_steps=1, **options)
        one.fit(BoringModel())
        assert watch.values == [(True, False)]
        assert checkpoint.written == ["epoch=0-step=1.ckpt", "last.ckpt"]
        assert checkpoint.is_local
        assert checkpoint.saves_before_validation(one)
        assert checkpoint.last_time > 0


def test_a_noted_file_is_not_written_again(tmp_path: Path) -> None:
    with register(OpenCheckpoint):
        checkpoint = Recorded(dirpath=tmp_path, save_last="link")
        watch = Watch(lambda one: checkpoint.note_saved(one, str(tmp_path / "x.ckpt")))
        options: dict[str, Any] = {"enable_checkpointing": True, "max_steps": 1}
        trainer(callbacks=[watch, checkpoint], **options).fit(BoringModel())
        assert checkpoint.written == []
        checkpoint.last_step, checkpoint.last_time = 5, 9.0
        assert (checkpoint.last_step, checkpoint.last_time) == (5, 9.0)


def test_what_fails_while_a_checkpoint_is_loaded_is_told_from_the_rest(
    tmp_path: Path,
) -> None:
    path, flags = tmp_path / "a.ckpt", {**QUIET_TRAINER, "max_steps": 1}
    trainer = Trainer(**flags)
    trainer.fit(BoringModel())
    trainer.save_checkpoint(path)
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"state_dict": {}}, path)
    with register(internals.raised_in_restoring):
        for data, loading in ((path, True), (None, False)):
            module = BoringModel()
            if data is None:
                module.layer = nn.Linear(1, 1)  # its batches have 32 columns
            with pytest.raises(RuntimeError) as failed:
                Trainer(**flags).fit(module, ckpt_path=data)
            assert internals.raised_in_restoring(failed.value) is loading


def test_a_config_is_read_by_the_function_that_is_given(tmp_path: Path) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--x", type=int)
    (tmp_path / "a.yaml").write_text("x: 1")
    words = ["--config", str(tmp_path / "a.yaml")]
    with register(internals.reading_configs_by):
        with internals.reading_configs_by(lambda path: f"x: {len(path.name)}"):
            assert parser.parse_args(words).x == 6
        assert parser.parse_args(words).x == 1
