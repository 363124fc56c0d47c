"""Data sets, one file per family; each class says what a batch is."""

from datamodules.base import InMemoryDataModule
from datamodules.cifar10 import CIFAR10
from datamodules.digits import Digits
from datamodules.image_folder import ImageFolder
from datamodules.mnist import MNIST, FashionMNIST
from datamodules.point_clouds import PointClouds

__all__ = [
    "CIFAR10",
    "MNIST",
    "Digits",
    "FashionMNIST",
    "ImageFolder",
    "InMemoryDataModule",
    "PointClouds",
]
