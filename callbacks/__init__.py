"""Observers of training: deleting one changes no weight."""

from typing import TYPE_CHECKING

from lightning_modules.core.lazy import lazy_names

if TYPE_CHECKING:
    from callbacks.adaptation.confusion_matrix import ConfusionMatrixPicture
    from callbacks.adaptation.feature_map import FeatureMap
    from callbacks.adaptation.label_table import LabelTable
    from callbacks.core.loggers import run_directory
    from callbacks.critics.critic_weights import CriticWeights
    from callbacks.critics.gradient_norms import GradientNorms
    from callbacks.critics.transport_monitor import TransportMonitor
    from callbacks.generative.feature_metrics import FeatureMetrics
    from callbacks.generative.mode_coverage import ModeCoverageMonitor
    from callbacks.generative.sample_grid import SampleGrid
    from callbacks.generative.sample_writer import SampleWriter
    from callbacks.metric_learning.point_table import PointTable
    from callbacks.plotting.images import image_grid, log_picture, save_png
    from callbacks.plotting.plots import histogram, scatter
    from callbacks.recommendation.export_tables import ExportTables
    from callbacks.recommendation.item_map import ItemMap
    from callbacks.recommendation.ranking_table import RankingTable
    from callbacks.recommendation.top_items import TopItems
    from callbacks.recommendation.user_metrics import UserMetrics
    from callbacks.runs.checkpoint import Checkpoint
    from callbacks.runs.ema import WeightEMA, averaged_network, load_averaged
    from callbacks.runs.exact_resume import ExactResume
    from callbacks.runs.export_network import ExportNetwork
    from callbacks.runs.final_validation import FinalValidation
    from callbacks.runs.progress_bar import UpdateProgress
    from callbacks.runs.rank_watch import RankWatch
    from callbacks.runs.run_config import RunConfig
    from callbacks.runs.run_report import RunReport
    from callbacks.runs.stop_on_signal import StopOnSignal
    from callbacks.runs.wandb_run import WandbRun, continue_wandb_run, wandb_run_id
    from lightning_modules.core.files import write_whole

__all__ = [
    "Checkpoint",
    "ConfusionMatrixPicture",
    "CriticWeights",
    "ExactResume",
    "ExportNetwork",
    "ExportTables",
    "FeatureMap",
    "FeatureMetrics",
    "FinalValidation",
    "GradientNorms",
    "ItemMap",
    "LabelTable",
    "ModeCoverageMonitor",
    "PointTable",
    "RankWatch",
    "RankingTable",
    "RunConfig",
    "RunReport",
    "SampleGrid",
    "SampleWriter",
    "StopOnSignal",
    "TopItems",
    "TransportMonitor",
    "UpdateProgress",
    "UserMetrics",
    "WandbRun",
    "WeightEMA",
    "averaged_network",
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

__getattr__ = lazy_names(__name__, __file__)
