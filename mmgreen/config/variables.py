"""Names in a config that only other settings are computed from."""

import ast
import inspect
import os.path as osp
import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmgreen.errors import UserError

from .nodes import walk

# What is read from a whole config: by mmengine's runner, and by this project.
_READ = {*inspect.signature(Runner.__init__).parameters} | {
    *('data_root', 'data_preprocessor', 'auto_scale_lr', 'tta_model', 'tta_pipeline')
}
_MOST_NAMED = 4


def refuse_variables(cfg: Config, filename: str, options: dict) -> None:
    """Refuse options that would change nothing: what uses such a name was computed when the file was read.

    Args:
        cfg: As the file says, not changed yet.
        filename: The file.
        options: By dotted names.

    Raises:
        UserError: Which settings to change in its place.
    """
    given = {key.split('.')[0] for key in options} - _READ
    names = given & set(cfg.keys())
    if not names or not osp.isfile(filename):
        return
    used = set().union(*_used(filename, set()))
    for name in sorted(names & used):
        places = [place for place in _places(cfg, cfg[name]) if place.split('.')[0] in _READ]
        instead = f'; equal to it are {", ".join(places[:_MOST_NAMED])}' if places else ''
        if len(places) > _MOST_NAMED:
            instead += f' and {len(places) - _MOST_NAMED} more'
        length = '; the length of a run is --steps' if name == 'max_iters' else ''
        raise UserError(
            f'--cfg-options {name} would change nothing, since {filename} only computes other settings '
            f'from it{instead}{length}'
        )


def _used(filename: str, seen: set[str]) -> Iterator[set[str]]:
    """Names that a config file and those it inherits from look up."""
    path = osp.abspath(filename)
    if path in seen or not osp.isfile(path) or not path.endswith('.py'):
        return
    seen.add(path)
    with open(path, encoding='utf-8') as file:
        text = file.read()
    found = set(re.findall(r'\{\{\s*_base_\.(\w+)', text))
    bases: list[Any] = []
    try:
        tree = ast.parse(re.sub(r'\{\{.*?\}\}', 'None', text))  # placeholders are no Python
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and getattr(node.value, 'id', '') == '_base_':
            found.add(node.attr)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '_base_':
            bases += [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
    yield found
    for base in bases:
        if isinstance(base, str) and '::' not in base:
            yield from _used(osp.join(osp.dirname(path), base), seen)


def _places(cfg: Config, value: Any) -> Iterator[str]:
    """Dotted names of settings that are equal to a value."""
    for path, node in walk(cfg._cfg_dict):
        for key, found in node.items():
            if path and type(found) is type(value) and found == value:
                yield f'{path}.{key}'
