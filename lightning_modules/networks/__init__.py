"""Networks: generators, critics, extractors, classifiers."""

from lightning_modules.networks.backbone import Backbone
from lightning_modules.networks.classifier import ConvClassifier
from lightning_modules.networks.conv import ConvCritic, ConvGenerator
from lightning_modules.networks.extractor import (
    ConvExtractor,
    LinearClassifier,
    MLPExtractor,
)
from lightning_modules.networks.linear_map import LinearMap
from lightning_modules.networks.mlp import MLPClassifier, MLPCritic, MLPGenerator
from lightning_modules.networks.resnet import ResNetCritic, ResNetGenerator

__all__ = [
    "Backbone",
    "ConvClassifier",
    "ConvCritic",
    "ConvExtractor",
    "ConvGenerator",
    "LinearClassifier",
    "LinearMap",
    "MLPClassifier",
    "MLPCritic",
    "MLPExtractor",
    "MLPGenerator",
    "ResNetCritic",
    "ResNetGenerator",
]
