"""Methods, networks and optimizers: the classes that a config may name."""

from lightning_modules.adaptation.cdan import CDAN
from lightning_modules.adaptation.coral import CORAL
from lightning_modules.adaptation.dann import DANN
from lightning_modules.adaptation.deep_jdot import DeepJDOT
from lightning_modules.adaptation.mcc import MCC
from lightning_modules.adaptation.mdd import MDD
from lightning_modules.adaptation.mmd import MMD
from lightning_modules.adaptation.source_only import SourceOnly
from lightning_modules.adaptation.wdgrl import WDGRL
from lightning_modules.core.lightning_internals import silence_tips
from lightning_modules.core.recipe import load_network, remembers, save_network
from lightning_modules.generative.gan import GAN
from lightning_modules.generative.wgan import WGAN
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.metric_learning.classifier import Classifier
from lightning_modules.metric_learning.metric_learner import MetricLearner
from lightning_modules.networks import (
    Backbone,
    ConvClassifier,
    ConvCritic,
    ConvExtractor,
    ConvGenerator,
    LinearClassifier,
    LinearMap,
    MLPClassifier,
    MLPCritic,
    MLPExtractor,
    MLPGenerator,
    ResNetCritic,
    ResNetGenerator,
)
from lightning_modules.optim.paper_defaults import (
    AdaptationAdam,
    GANAdam,
    WGANGPAdam,
    WGANRMSprop,
)
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.optim.schedules import LinearDecay, OneCycle
from lightning_modules.recommendation.bpr import BPR
from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.ease import EASE
from lightning_modules.recommendation.implicit_baselines import (
    WRMF,
    ImplicitBPR,
    ItemKNN,
)
from lightning_modules.recommendation.lightgcn import LightGCN
from lightning_modules.recommendation.lightgcn_plus_plus import LightGCNPlusPlus
from lightning_modules.recommendation.popularity import Popularity
from lightning_modules.recommendation.recommender import Recommender
from lightning_modules.recommendation.smooth_cml import SmoothCML
from lightning_modules.recommendation.warp import WARP

silence_tips()

__all__ = [
    "BPR",
    "CDAN",
    "CML",
    "CORAL",
    "DANN",
    "EASE",
    "GAN",
    "MCC",
    "MDD",
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
    "LightGCN",
    "LightGCNPlusPlus",
    "LinearClassifier",
    "LinearDecay",
    "LinearMap",
    "MLPClassifier",
    "MLPCritic",
    "MLPExtractor",
    "MLPGenerator",
    "MetricLearner",
    "OneCycle",
    "Popularity",
    "Recommender",
    "ResNetCritic",
    "ResNetGenerator",
    "RowwiseAdagrad",
    "SmoothCML",
    "SourceOnly",
    "WGANGPAdam",
    "WGANRMSprop",
    "load_network",
    "remembers",
    "save_network",
]
