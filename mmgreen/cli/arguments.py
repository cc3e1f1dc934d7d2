"""Arguments that several tools take.

The libraries are slow to import, so nothing here imports them before an argument needs them: a tool
answers ``--help``, and says what is wrong with its command line, at once.
"""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Stands for a space where mmengine would take it out.
_SPACE = '\x1f'


def command_parser(description: str | None, epilog: str) -> argparse.ArgumentParser:
    """A parser whose help is a command's docstring and an example, as they are written.

    From here on the command can print names of any bytes, and Ctrl-C ends it without a traceback.
    """
    sys.excepthook = _without_traceback_of_ctrl_c
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=epilog,
    )


def _without_traceback_of_ctrl_c(
    kind: type[BaseException], error: BaseException, traceback: Any
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print('stopped by Ctrl-C', file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


class KeyValues(argparse.Action):
    """``KEY=VALUE ...`` as a dict, as mmengine's ``DictAction`` reads it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        from mmengine.config import DictAction

        spaced = []
        for value in values or ():
            if '=' not in value:
                parser.error(f'{option_string} {value}: settings are written as KEY=VALUE')
            if '{' in value or 'dict(' in value:
                parser.error(
                    f'{option_string} {value}: dicts cannot be written on a command line; write a '
                    "config of your own that begins with _base_ = 'THE_OTHER_CONFIG.py' and set it "
                    'there'
                )
            # mmengine takes spaces out, also those within a word, as of a path.
            key, text = value.split('=', maxsplit=1)
            listed = text.startswith(('[', '(')) or ',' in text
            within = r'(?<=[^\s,\[\]()]) +(?=[^\s,\[\]()])' if listed else r'(?<=\S) +(?=\S)'
            spaced.append(f'{key}={re.sub(within, _spaces, text)}')
        DictAction(self.option_strings, self.dest)(parser, namespace, spaced, option_string)
        settings = getattr(namespace, self.dest)
        setattr(namespace, self.dest, {key: _with_spaces(v) for key, v in settings.items()})


def _spaces(found: re.Match[str]) -> str:
    return _SPACE * len(found[0])


def _with_spaces(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_SPACE, ' ')
    if isinstance(value, list | tuple):
        return type(value)(map(_with_spaces, value))
    return value


class _AllowPickle(argparse.Action):
    """Sets an environment variable, which worker processes inherit."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        from mmgreen.checkpoints import ALLOW_PICKLE

        os.environ[ALLOW_PICKLE] = '1'


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help='change settings of the config, such as data_root=FOLDER or '
        'train_dataloader.batch_size=8; lists are written as key="[a,b]" or key=a,b',
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """``--data``."""
    parser.add_argument(
        '--data',
        metavar='FOLDER',
        type=Path,
        help='folder of the images, of any format that mmgreen make-config knows: sets '
        'all keys of training, validation and test data',
    )


def add_allow_pickle(parser: argparse.ArgumentParser) -> None:
    """``--allow-pickle``."""
    parser.add_argument(
        '--allow-pickle',
        action=_AllowPickle,
        nargs=0,
        help='read checkpoints that hold pickled objects; they can run code, so trust their source',
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """``--launcher``, and what launchers pass by themselves."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run were started',
    )
    # torch.distributed passes this where it does not set LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
