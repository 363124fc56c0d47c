"""The methods, one file each, and the networks that they train."""

from lightning_modules.gan import GAN
from lightning_modules.networks import (
    ConvCritic,
    ConvGenerator,
    MLPCritic,
    MLPGenerator,
    ResNetCritic,
    ResNetGenerator,
)
from lightning_modules.optimizers import GANAdam, WGANGPAdam, WGANRMSprop
from lightning_modules.wgan import WGAN
from lightning_modules.wgan_gp import WGANGP

__all__ = [
    "GAN",
    "WGAN",
    "WGANGP",
    "ConvCritic",
    "ConvGenerator",
    "GANAdam",
    "MLPCritic",
    "MLPGenerator",
    "ResNetCritic",
    "ResNetGenerator",
    "WGANGPAdam",
    "WGANRMSprop",
]
