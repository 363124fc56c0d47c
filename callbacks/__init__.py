"""Observers of training: deleting one changes no weight."""

from callbacks.checkpoint import Checkpoint
from callbacks.confusion import ConfusionMatrixPicture
from callbacks.critic_weights import CriticWeights
from callbacks.ema import WeightEMA, averaged_player, load_averaged
from callbacks.export import ExportNetwork
from callbacks.feature_map import FeatureMap
from callbacks.feature_metrics import FeatureMetrics
from callbacks.files import write_whole
from callbacks.gradient_norms import GradientNorms
from callbacks.label_table import LabelTable
from callbacks.mode_coverage import ModeCoverageMonitor
from callbacks.pictures import image_grid, log_picture, save_png
from callbacks.plots import histogram, scatter
from callbacks.predictions import SampleWriter
from callbacks.progress import UpdateProgress
from callbacks.resume import ExactResume
from callbacks.run_config import RunConfig
from callbacks.run_directory import run_directory
from callbacks.sample_grid import SampleGrid
from callbacks.transport_monitor import TransportMonitor
from callbacks.wandb_run import WandbRun, continue_wandb_run, wandb_run_id

__all__ = [
    "Checkpoint",
    "ConfusionMatrixPicture",
    "CriticWeights",
    "ExactResume",
    "ExportNetwork",
    "FeatureMap",
    "FeatureMetrics",
    "GradientNorms",
    "LabelTable",
    "ModeCoverageMonitor",
    "RunConfig",
    "SampleGrid",
    "SampleWriter",
    "TransportMonitor",
    "UpdateProgress",
    "WandbRun",
    "WeightEMA",
    "averaged_player",
    "continue_wandb_run",
    "histogram",
    "image_grid",
    "load_averaged",
    "log_picture",
    "run_directory",
    "save_png",
    "scatter",
    "wandb_run_id",
    "write_whole",
]
