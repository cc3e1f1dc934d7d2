"""Testing from Python, by the same way as ``mmgreen test``."""

import os
import os.path as osp
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.runner import Runner

from mmgreen.config import load_config
from mmgreen.engine import own_scope

from .running import open_run


@dataclass(frozen=True)
class Evaluation:
    """What a test gives.

    Attributes:
        metrics: Each by the evaluator's name, such as ``'coco/bbox_mAP'``.
        log_dir: Folder of the test's log, record and detections.
        report: The report's HTML file; None where there is none.
    """

    metrics: dict[str, float]
    log_dir: Path
    report: Path | None


def evaluate(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    work_dir: str | os.PathLike | None = None,
    cfg_options: dict | None = None,
    report: bool = True,
    data: str | os.PathLike | None = None,
) -> Evaluation:
    """Test a checkpoint, and write a report where there are COCO figures.

    Args:
        config: The config it was trained with.
        checkpoint: Checkpoint, or an ONNX file exported from it.
        work_dir: Folder for log, detections and report; by default the config's.
        cfg_options: Settings to change, by dotted names.
        report: Whether to write a report.
        data: Folder of the images, of any format that is known, instead of the config's.

    Raises:
        UserError: If config, data or checkpoint are not right.
    """
    cfg = load_config(config, cfg_options, work_dir)
    with own_scope(cfg):
        runner = open_run(cfg, 'test', str(checkpoint), data)
        return run_test(runner, report)


def run_test(runner: Runner, report: bool = True, predictions: str | None = None) -> Evaluation:
    """Test with a runner, and write a report into the folder of its log.

    Args:
        runner: Runner.
        report: Whether to write a report.
        predictions: File to save all predictions to, pickled.
    """
    from mmdet.evaluation import CocoMetric, DumpDetResults  # slow to import

    from mmgreen.report import write_report

    if predictions:
        dump = DumpDetResults if runner.cfg.default_scope == 'mmdet' else DumpResults
        runner.test_evaluator.metrics.append(dump(out_file_path=predictions))
    # mmgreen's are some, too.
    coco = [m for m in runner.test_evaluator.metrics if isinstance(m, CocoMetric)]
    for metric in coco:
        metric.outfile_prefix = metric.outfile_prefix or osp.join(runner.log_dir, 'detections')
    metrics = runner.test()
    path = None
    if report and coco and not coco[0].format_only and is_main_process():
        path = write_report([runner.log_dir], Path(runner.log_dir))
    return Evaluation(metrics=metrics, log_dir=Path(runner.log_dir), report=path)
