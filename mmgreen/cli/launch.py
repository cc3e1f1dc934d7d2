"""torchrun, with an exit status that says whether to start the job again.

It is 75 where the processes saved and stopped after SIGTERM or SIGUSR1, and
torchrun's own otherwise. tools/dist_train.sh and tools/dist_test.sh use it.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='%(prog)s [-h] [arguments of torchrun] SCRIPT ...',
        epilog='example: %(prog)s --nproc-per-node 8 tools/train.py configs/greenmim/'
        'greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py --launcher pytorch\n'
        "torchrun --help lists torchrun's arguments",
    )
    words = sys.argv[1:] if argv is None else list(argv)
    if words in ([], ['-h'], ['--help']):
        parser.parse_args(['--help'])
    from torch.distributed.run import get_args_parser

    parser = get_args_parser()
    # Those that a scheduler sends are passed on to the processes.
    parser.set_defaults(signals_to_handle='SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    import torch.distributed.launcher.api
    from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import run

    class Agent(LocalElasticAgent):
        """Does not restart a run that ended with status 2: a user must correct something first."""

        def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
            result = super()._monitor_workers(worker_group)
            if any(failure.exitcode == 2 for failure in result.failures.values()):
                self._remaining_restarts = 0
            return result

    # With the store of the first attempt, groups of the next one wait for ever: it holds the
    # addresses of processes that are gone.
    os.environ.setdefault('TORCH_DISABLE_SHARE_RDZV_TCP_STORE', '1')
    # What was saved before is of another run, unless Slurm has started this one again.
    if os.environ.get('SLURM_RESTART_COUNT', '0') == '0':
        os.environ['MMGREEN_LAUNCHED'] = str(time.time())
    torch.distributed.launcher.api.LocalElasticAgent = Agent  # type: ignore[misc]
    try:
        run(args)
    except SignalException as error:
        print(error, file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL if error.sigval.name in ('SIGTERM', 'SIGUSR1') else 1)
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        print(
            f'The process of rank {rank} was the first to fail, with status '
            f'{first.exitcode}: its own words are above.',
            file=sys.stderr,
        )
        sys.exit(os.EX_TEMPFAIL if first.exitcode == os.EX_TEMPFAIL else 1)
