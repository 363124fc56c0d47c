"""Data sets, one file per family; each class says what a batch is."""

from datamodules.amazon_reviews import AmazonReviews
from datamodules.base import InMemoryDataModule
from datamodules.cifar10 import CIFAR10
from datamodules.citeulike import CiteULike
from datamodules.digit_domains import DigitDomains
from datamodules.digits import Digits
from datamodules.digits_shift import DigitsShift
from datamodules.domain_features import DomainFeatures
from datamodules.image_folder import ImageFolder
from datamodules.interaction_table import Interactions
from datamodules.labelled_table import LabelledTable
from datamodules.mnist import MNIST, FashionMNIST
from datamodules.movielens import MovieLens
from datamodules.office_caltech import OfficeCaltech
from datamodules.office_images import OfficeImages
from datamodules.planted import PlantedInteractions
from datamodules.point_clouds import PointClouds
from datamodules.shifted_blobs import ShiftedBlobs
from datamodules.split_files import SplitFiles
from datamodules.two_domains import TwoDomains

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
