"""The methods, one file each, and the networks that they train."""

from lightning_modules.bpr import BPR
from lightning_modules.classifier import Classifier
from lightning_modules.cml import CML
from lightning_modules.coral import CORAL
from lightning_modules.dann import DANN
from lightning_modules.deep_jdot import DeepJDOT
from lightning_modules.ease import EASE
from lightning_modules.gan import GAN
from lightning_modules.implicit_models import WRMF, ImplicitBPR, ItemKNN
from lightning_modules.linear_decay import LinearDecay
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
from lightning_modules.popularity import Popularity
from lightning_modules.rowwise import RowwiseAdagrad
from lightning_modules.smooth_cml import SmoothCML
from lightning_modules.source_only import SourceOnly
from lightning_modules.warp import WARP
from lightning_modules.wdgrl import WDGRL
from lightning_modules.wgan import WGAN
from lightning_modules.wgan_gp import WGANGP

__all__ = [
    "BPR",
    "CML",
    "CORAL",
    "DANN",
    "EASE",
    "GAN",
    "MMD",
    "WARP",
    "WDGRL",
    "WGAN",
    "WGANGP",
    "WRMF",
    "AdaptationAdam",
    "Backbone",
    "Classifier",
    "ConvClassifier",
    "ConvCritic",
    "ConvExtractor",
    "ConvGenerator",
    "DeepJDOT",
    "GANAdam",
    "ImplicitBPR",
    "ItemKNN",
    "LinearClassifier",
    "LinearDecay",
    "LinearMap",
    "MLPCritic",
    "MLPExtractor",
    "MLPGenerator",
    "MetricLearner",
    "Popularity",
    "ResNetCritic",
    "ResNetGenerator",
    "RowwiseAdagrad",
    "SmoothCML",
    "SourceOnly",
    "WGANGPAdam",
    "WGANRMSprop",
]
