"""Tests on large images."""

import torch
from mmengine.config import Config, ConfigDict

from mmgreen.errors import UserError
from mmgreen.tiles import Tiling

#: Pixels of an image from which Pillow refuses it, and from which it takes gigabytes.
MOST_PIXELS = 178_956_970
TILED = 'mmgreen.TiledTestLoop'


def tile_test(cfg: Config, tile: int, overlap: float = 0.2) -> None:
    """Let a test cut images into tiles.

    Args:
        cfg: Changed in place.
        tile: Side of a tile in pixels.
        overlap: Share of it that neighbours have in common.

    Raises:
        UserError: If tile or overlap make no sense, or the config tests nothing.
    """
    Tiling(tile, overlap)
    if not cfg.get('test_dataloader'):
        raise UserError(f'{cfg.filename} has no test_dataloader: there is nothing to test')
    fp16 = (cfg.get('test_cfg') or {}).get('fp16', False)
    # On a CPU several tiles at once are no faster, and take as much more memory.
    together = 4 if torch.cuda.is_available() else 1
    cfg.test_cfg = ConfigDict(
        type=TILED, tile=tile, overlap=overlap, batch_size=together, fp16=fp16
    )
    # A large image is loaded where it is used: handing it over would take its memory twice.
    cfg.test_dataloader.update(batch_size=1, num_workers=0)
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'LoadImageFromFile':  # Pillow refuses large ones, and takes more memory
            step.setdefault('imdecode_backend', 'cv2')
