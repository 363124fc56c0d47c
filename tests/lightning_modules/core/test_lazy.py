"""Packages whose names are imported on first use."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import callbacks
import datamodules
from lightning_modules.core.lazy import lazy_names, load_names

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("polars", "ot", "wandb")))
import lightning_modules, callbacks, datamodules
from lightning import Trainer
assert "Interactions" not in vars(datamodules)
trainer = Trainer(
    max_steps=2, max_epochs=-1, logger=False, enable_checkpointing=False,
    accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
    limit_val_batches=0,  # exact distances need POT
)
generator = lightning_modules.MLPGenerator(2, [2], [4])
critic = lightning_modules.MLPCritic([2], [4])
points = datamodules.PointClouds("ring8", n_train=32, n_val=8, n_test=8, batch_size=8)
trainer.fit(lightning_modules.WGANGP(generator, critic, n_critic=1), points)
assert trainer.global_step == 2
from lightning_modules.core.lazy import load_names
print(load_names(datamodules)["Interactions"], "Digits" in load_names(datamodules))
"""


@pytest.mark.long("starts a process")
def test_a_gan_trains_where_polars_pot_and_wandb_are_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.splitlines()[-1:] == ["polars False"], done.stderr


@pytest.mark.parametrize("package", [datamodules, callbacks])
def test_every_name_of_a_package_can_be_imported_and_no_other(
    package: ModuleType,
) -> None:
    assert load_names(package) == {}
    assert set(package.__all__) <= set(vars(package))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = package.Nothing


def test_a_name_is_unavailable_by_the_package_that_it_needs(tmp_path: Path) -> None:
    init = tmp_path / "shelf.py"
    init.write_text("from absent.sub import A\nfrom datamodules.absent import B\n")
    shelf = ModuleType("datamodules.shelf")
    sys.modules[shelf.__name__] = shelf
    try:
        shelf.__dict__["__getattr__"] = lazy_names(shelf.__name__, str(init))
        shelf.__dict__["__all__"] = ["A"]
        assert load_names(shelf) == {"A": "absent"}
        shelf.__dict__["__all__"] = ["B"]
        with pytest.raises(ModuleNotFoundError, match="datamodules"):
            load_names(shelf)
    finally:
        del sys.modules[shelf.__name__]
