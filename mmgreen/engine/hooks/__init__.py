"""Hooks of a run: what it saves, watches, shows and records."""

from .checkpoint_hook import CheckpointHook
from .detector_start_hook import DetectorStartHook
from .feature_health_hook import KNN, RANK, WITHIN, FeatureHealthHook
from .kept_features_hook import SECONDS, KeptFeaturesHook
from .layout_hook import LayoutHook
from .mean_teacher_hook import MeanTeacherHook
from .patience_hook import PatienceHook
from .plain_checkpoint_hook import PlainCheckpointHook
from .preemption_hook import REQUEUE, PreemptionHook
from .progress_bar_hook import ProgressBarHook
from .reconstruction_hook import PICTURE, ReconstructionHook
from .run_record_hook import RECORD, RunRecordHook
from .runtime_info_hook import RuntimeInfoHook
from .strict_load_hook import StrictLoadHook
from .summary_hook import SummaryHook
from .validation_loss_hook import VAL_LOSS, ValidationLossHook
from .watch_hook import WatchHook

__all__ = [
    'KNN',
    'PICTURE',
    'RANK',
    'RECORD',
    'REQUEUE',
    'SECONDS',
    'VAL_LOSS',
    'WITHIN',
    'CheckpointHook',
    'DetectorStartHook',
    'FeatureHealthHook',
    'KeptFeaturesHook',
    'LayoutHook',
    'MeanTeacherHook',
    'PatienceHook',
    'PlainCheckpointHook',
    'PreemptionHook',
    'ProgressBarHook',
    'ReconstructionHook',
    'RunRecordHook',
    'RuntimeInfoHook',
    'StrictLoadHook',
    'SummaryHook',
    'ValidationLossHook',
    'WatchHook',
]
