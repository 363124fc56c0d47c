"""Observers of training: deleting one changes no weight."""

from callbacks.checkpoint import Checkpoint
from callbacks.confusion import ConfusionMatrixPicture
from callbacks.critic_weights import CriticWeights
from callbacks.ema import WeightEMA, averaged_player, load_averaged
from callbacks.export import ExportNetwork
from callbacks.export_tables import ExportTables
from callbacks.feature_map import FeatureMap
from callbacks.feature_metrics import FeatureMetrics
from callbacks.files import write_whole
from callbacks.gradient_norms import GradientNorms
from callbacks.item_map import ItemMap
from callbacks.label_table import LabelTable
from callbacks.mode_coverage import ModeCoverageMonitor
from callbacks.pictures import image_grid, log_picture, save_png
from callbacks.plots import histogram, scatter
from callbacks.point_table import PointTable
from callbacks.predictions import SampleWriter
from callbacks.progress import UpdateProgress
from callbacks.ranking_table import RankingTable
from callbacks.resume import ExactResume
from callbacks.run_config import RunConfig
from callbacks.run_directory import run_directory
from callbacks.sample_grid import SampleGrid
from callbacks.top_items import TopItems
from callbacks.transport_monitor import TransportMonitor
from callbacks.wandb_run import WandbRun, continue_wandb_run, wandb_run_id

__all__ = [
    "Checkpoint",
    "ConfusionMatrixPicture",
    "CriticWeights",
    "ExactResume",
    "ExportNetwork",
    "ExportTables",
    "FeatureMap",
    "FeatureMetrics",
    "GradientNorms",
    "ItemMap",
    "LabelTable",
    "ModeCoverageMonitor",
    "PointTable",
    "RankingTable",
    "RunConfig",
    "SampleGrid",
    "SampleWriter",
    "TopItems",
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
