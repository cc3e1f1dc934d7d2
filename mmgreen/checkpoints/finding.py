"""The checkpoint that a run's folder is asked for."""

import os
from pathlib import Path

from mmengine.logging import print_log

from mmgreen.errors import UserError

#: What a folder of timm's layout holds; it is a checkpoint itself.
WEIGHTS = 'model.safetensors'
_LAST = 'last_checkpoint'


def find_checkpoint(path: str | os.PathLike[str], last: bool = False) -> str:
    """A checkpoint, or that of a run's folder: the best by validation, or else the last one.

    Args:
        path: A file, or an address, which stay as they are; or a folder of a training, of which the log says
            which one is taken.
        last: Take the last one in any case, to go on from it.

    Raises:
        UserError: If the folder has none.
    """
    folder = Path(os.path.expanduser(path))
    if not folder.is_dir() or (folder / WEIGHTS).is_file():
        return str(path)
    best = sorted(folder.glob('best_*.pth'), key=lambda file: file.stat().st_mtime)
    if best and not last:
        found, why = best[-1], 'the best by validation'
    else:
        try:
            named = Path((folder / _LAST).read_text(encoding='utf-8').strip())
        except OSError:
            raise UserError(
                f'folder {path} has no checkpoint of a training (best_*.pth or {_LAST}) and no {WEIGHTS}: '
                'name a file'
            ) from None
        # A folder that was moved still names where it was.
        found, why = folder / named.name if not named.is_file() else named, 'the last one'
    print_log(f'Checkpoint: {found}, {why} of {path}', logger='current')
    return str(found)
