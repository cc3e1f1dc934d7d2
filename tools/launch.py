#!/usr/bin/env python
"""torchrun, whose exit status says whether the run wants to go on.

It is 75 where processes have saved and made room after SIGTERM or SIGUSR1, and
torchrun's own otherwise. tools/dist_train.sh and tools/dist_test.sh use it.
"""

import argparse
import os
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import get_args_parser, run


def main() -> None:
    parser = get_args_parser()
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        'example: %(prog)s --nproc-per-node 8 tools/train.py configs/greenmim/'
        'greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py --launcher pytorch'
    )
    # Those that a scheduler sends are passed on to the processes.
    parser.set_defaults(signals_to_handle='SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1')
    # With the store of the first attempt, groups of the next one wait for ever: it holds the
    # addresses of processes that are gone.
    os.environ.setdefault('TORCH_DISABLE_SHARE_RDZV_TCP_STORE', '1')
    try:
        run(parser.parse_args())
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


if __name__ == '__main__':
    main()
