import pytest

import callbacks
import datamodules
import lightning_modules
from lightning_modules.core.public_names import PACKAGES, public_path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # modules of version 0.1 that exist no more
        ("lightning_modules.wgan_gp.WGANGP", "lightning_modules.WGANGP"),
        ("lightning_modules.optimizers.WGANGPAdam", "lightning_modules.WGANGPAdam"),
        (
            "lightning_modules.rowwise.RowwiseAdagrad",
            "lightning_modules.RowwiseAdagrad",
        ),
        ("datamodules.two_domains.TwoDomains", "datamodules.TwoDomains"),
        ("callbacks.ema.WeightEMA", "callbacks.WeightEMA"),
        # a module of today
        ("lightning_modules.networks.mlp.MLPCritic", "lightning_modules.MLPCritic"),
    ],
)
def test_a_class_that_moved_is_found_by_its_name(old: str, new: str) -> None:
    assert public_path(old) == new


@pytest.mark.parametrize(
    "path",
    [
        "WGANGP",
        "torch.optim.Adam",
        "my_package.wgan_gp.WGANGP",
        "lightning_modules.core.module.TrackedModule",
        "lightning_modules.wgan_gp.WGANGQ",
        "lightning_modules",
        "",
    ],
)
def test_other_paths_stay(path: str) -> None:
    assert public_path(path) == path


def test_every_public_name_is_its_own_path() -> None:
    for package in (lightning_modules, datamodules, callbacks):
        assert package.__name__ in PACKAGES
        for name in package.__all__:
            path = f"{package.__name__}.{name}"
            assert public_path(path) == path
