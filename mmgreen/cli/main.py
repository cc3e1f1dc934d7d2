"""The command ``mmgreen``: every tool under one name."""

import importlib
import sys

#: Commands by what they are for; each is a file of this room, with ``-`` for ``_``.
COMMANDS = {
    'data': ('check', 'browse', 'make-config', 'to-coco', 'pack', 'make-demo'),
    'runs': ('train', 'test', 'study', 'quickstart', 'launch'),
    'results': ('report', 'detect', 'choose', 'knn', 'show-reconstruction', 'show-grouping'),
    'use': ('convert-checkpoint', 'export', 'time-exported', 'serve'),
    'measuring': ('benchmark', 'complexity'),
}


def main() -> None:
    """Run the command that the command line names, with the arguments that follow it."""
    name = sys.argv[1] if len(sys.argv) > 1 else '--help'
    if name in ('-h', '--help'):
        print(describe())
    elif any(name in names for names in COMMANDS.values()):
        sys.argv[:2] = [f'mmgreen {name}']
        _module(name).main()
    else:
        sys.exit(f"error: there is no command '{name}': mmgreen --help lists all")


def describe() -> str:
    """The commands by what they are for, a line each."""
    lines = ['usage: mmgreen COMMAND ...', '', 'mmgreen COMMAND --help says what a command takes.']
    for purpose, names in COMMANDS.items():
        lines += ['', f'{purpose}:']
        lines += [f'  {name:20}{_module(name).__doc__.splitlines()[0]}' for name in names]
    return '\n'.join([*lines, '', 'example: mmgreen make-config data/mine --out configs/mine'])


def _module(name: str):
    return importlib.import_module(f'mmgreen.cli.{name.replace("-", "_")}')
