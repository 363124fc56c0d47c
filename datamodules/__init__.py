"""Data modules, by topic; each class documents its batches."""

from typing import TYPE_CHECKING

from lightning_modules.core.lazy import lazy_names

if TYPE_CHECKING:
    from datamodules.adaptation.amazon_reviews import AmazonReviews
    from datamodules.adaptation.base import TwoDomains
    from datamodules.adaptation.digit_domains import DigitDomains
    from datamodules.adaptation.digits_shift import DigitsShift
    from datamodules.adaptation.domain_features import DomainFeatures
    from datamodules.adaptation.office_caltech import OfficeCaltech
    from datamodules.adaptation.office_images import OfficeImages
    from datamodules.adaptation.shifted_blobs import ShiftedBlobs
    from datamodules.core.in_memory import InMemoryDataModule
    from datamodules.generative.digits import Digits
    from datamodules.generative.image_folder import ImageFolder
    from datamodules.generative.point_clouds import PointClouds
    from datamodules.generative.small_images import CIFAR10, MNIST, FashionMNIST
    from datamodules.metric_learning.labelled_table import LabelledTable
    from datamodules.recommendation.citeulike import CiteULike
    from datamodules.recommendation.interactions import Interactions
    from datamodules.recommendation.movielens import MovieLens
    from datamodules.recommendation.planted import PlantedInteractions
    from datamodules.recommendation.split_files import SplitFiles

__all__ = [
    "CIFAR10",
    "MNIST",
    "AmazonReviews",
    "CiteULike",
    "DigitDomains",
    "Digits",
    "DigitsShift",
    "DomainFeatures",
    "FashionMNIST",
    "ImageFolder",
    "InMemoryDataModule",
    "Interactions",
    "LabelledTable",
    "MovieLens",
    "OfficeCaltech",
    "OfficeImages",
    "PlantedInteractions",
    "PointClouds",
    "ShiftedBlobs",
    "SplitFiles",
    "TwoDomains",
]

__getattr__ = lazy_names(__name__, __file__)
