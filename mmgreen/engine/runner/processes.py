"""The processes of a distributed run find each other, with GPUs and without."""

import atexit
import datetime
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from rich.console import Console

from mmgreen.errors import UserError

#: After how many seconds a collective gives a silent process up, unless the config says
#: otherwise (``env_cfg.dist_cfg.timeout``). The evaluation of COCO, during which the others wait
#: for one process, takes minutes.
TIMEOUT = 1800

# Seconds that the first process of a machine has to say what is wrong.
_PATIENCE = 10


def join_processes(cfg: Config) -> None:
    """Join the process group of a run with a launcher, by NCCL, or by gloo without GPUs.

    mmengine's runners do it by themselves, but with GPUs only.

    Raises:
        UserError: If the launcher has not set its variables.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or is_distributed():
        return
    timeout = process_timeout(cfg)
    if torch.cuda.is_available():
        settings = cfg.get('env_cfg', {}).get('dist_cfg') or {}
        init_dist(launcher, **{**settings, 'timeout': timeout.total_seconds()})
        return
    try:
        if launcher == 'slurm':
            _take_from_slurm()
        elif launcher == 'mpi':
            os.environ['RANK'] = os.environ['OMPI_COMM_WORLD_RANK']
            os.environ['WORLD_SIZE'] = os.environ['OMPI_COMM_WORLD_SIZE']
            os.environ['LOCAL_RANK'] = os.environ['OMPI_COMM_WORLD_LOCAL_RANK']
        dist.init_process_group('gloo', timeout=timeout)
    except (KeyError, ValueError) as error:
        raise UserError(
            f'--launcher {launcher} needs variables that are not set ({error}): start the run by '
            'tools/dist_train.sh or tools/slurm_train.sh'
        ) from error


def process_timeout(cfg: Config) -> datetime.timedelta:
    """How long the collectives of a run wait (:data:`TIMEOUT`)."""
    settings = cfg.get('env_cfg', {}).get('dist_cfg') or {}
    return datetime.timedelta(seconds=settings.get('timeout', TIMEOUT))


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let a process of several leave at once, whether it ends well or early.

    One that ends early says why, without goodbye: the destructors of process
    groups wait for collectives that the others will never join, and the launcher
    waits for the process. One that ends well says goodbye: without it, those that
    are still there may be aborted. Neither takes the interpreter apart: a thread of
    gloo that lets go of a tensor meanwhile would abort the process, and the
    launcher would start a run again that had ended well.

    Where a user must correct something, the exit status is 2, as for a wrong command
    line: ``tools/launch.py`` then starts nothing again. Mostly all processes
    say the same, so the first of a machine speaks, and the launcher ends the
    others; one that is still there after ten seconds speaks, too.
    """
    try:
        yield
        if is_distributed():
            with suppress(RuntimeError):  # another one was faster, and is gone
                dist.barrier()
            dist.destroy_process_group()
            atexit._run_exitfuncs()  # loggers and workers, as if the interpreter ended
            _leave(0)
    except BaseException as error:
        if not is_distributed() and 'TORCHELASTIC_RUN_ID' not in os.environ:
            raise
        status = error.code if isinstance(error, SystemExit) else 1
        if isinstance(status, str):
            if os.environ.get('LOCAL_RANK', '0') != '0':
                signal.signal(signal.SIGTERM, lambda *_: os._exit(2))
                time.sleep(_PATIENCE)
            print(status, file=sys.stderr)
            status = 2
        elif not isinstance(error, SystemExit):
            traceback.print_exc()
        if sys.stdout.isatty():
            Console().show_cursor()  # the progress bar may have hidden it
        _leave(status or 0)


def _leave(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _take_from_slurm() -> None:
    """Set PyTorch's variables from Slurm's, as mmengine does where there are GPUs."""
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        nodes = subprocess.run(
            ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']],
            capture_output=True,
            text=True,
            check=True,
        )
        os.environ['MASTER_ADDR'] = nodes.stdout.split()[0]
