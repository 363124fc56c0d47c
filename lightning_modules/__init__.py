"""The methods, one file each, and the networks that they train."""

from lightning_modules.classifier import Classifier
from lightning_modules.gan import GAN
from lightning_modules.networks import (
    ConvClassifier,
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
    "Classifier",
    "ConvClassifier",
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
