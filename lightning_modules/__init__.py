"""The methods, one file each, and the networks that they train."""

from lightning_modules.classifier import Classifier
from lightning_modules.cml import CML
from lightning_modules.coral import CORAL
from lightning_modules.dann import DANN
from lightning_modules.deep_jdot import DeepJDOT
from lightning_modules.gan import GAN
from lightning_modules.metric_learner import MetricLearner
from lightning_modules.mmd import MMD
from lightning_modules.networks import (
    Backbone,
    ConvClassifier,
    ConvCritic,
    ConvExtractor,
    ConvGenerator,
    LinearClassifier,
    LinearMap,
    MLPCritic,
    MLPExtractor,
    MLPGenerator,
    ResNetCritic,
    ResNetGenerator,
)
from lightning_modules.optimizers import (
    AdaptationAdam,
    GANAdam,
    WGANGPAdam,
    WGANRMSprop,
)
from lightning_modules.rowwise import RowwiseAdagrad
from lightning_modules.source_only import SourceOnly
from lightning_modules.wdgrl import WDGRL
from lightning_modules.wgan import WGAN
from lightning_modules.wgan_gp import WGANGP

__all__ = [
    "CML",
    "CORAL",
    "DANN",
    "GAN",
    "MMD",
    "WDGRL",
    "WGAN",
    "WGANGP",
    "AdaptationAdam",
    "Backbone",
    "Classifier",
    "ConvClassifier",
    "ConvCritic",
    "ConvExtractor",
    "ConvGenerator",
    "DeepJDOT",
    "GANAdam",
    "LinearClassifier",
    "LinearMap",
    "MLPCritic",
    "MLPExtractor",
    "MLPGenerator",
    "MetricLearner",
    "ResNetCritic",
    "ResNetGenerator",
    "RowwiseAdagrad",
    "SourceOnly",
    "WGANGPAdam",
    "WGANRMSprop",
]
