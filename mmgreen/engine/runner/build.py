"""The runner of a config."""

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .processes import join_processes
from .resume import settle_start


def build_runner(cfg: Config, restartable: bool = False) -> Runner:
    """The runner of a config that :func:`~mmgreen.engine.prepare_run` has completed.

    Joins the processes of a distributed run, and decides what it goes on from.

    Args:
        cfg: Completed.
        restartable: See :func:`settle_start`.

    Raises:
        UserError: As :func:`join_processes` and :func:`settle_start`.
    """
    join_processes(cfg)
    passed_over = settle_start(cfg, restartable)
    # Under the config's name, mmengine would hand out the visualizer of an earlier run.
    if cfg.get('visualizer'):
        cfg.visualizer.pop('name', None)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    for message in passed_over:
        runner.logger.warning(message)
    return runner
