"""What a run starts from and writes to can be read and written."""

import os.path as osp
import tempfile

from mmengine.config import Config
from mmengine.registry import MODELS

from mmgreen.checkpoints import read_backbone
from mmgreen.config import around_backbone
from mmgreen.errors import UserError
from mmgreen.files import explain

from ..model import own_scope


def check_start(cfg: Config) -> None:
    """Read the checkpoint that the backbone starts from, before anything is written."""
    backbone = around_backbone(cfg.model).get('backbone') or {}
    start = backbone.get('init_cfg')
    if not isinstance(start, dict) or start.get('type', 'Pretrained') != 'Pretrained':
        return
    with own_scope(cfg):
        if not hasattr(MODELS.get(backbone.type), 'build_layout'):
            return  # another project's backbone, which reads in its own way
        model = MODELS.build(backbone)
    read_backbone(model, start.get('checkpoint', ''), start.get('prefix'))


def check_work_dir(folder: str) -> None:
    """Refuse a work dir that cannot be written to, and leave no trace of the attempt."""
    existing = osp.abspath(folder)
    while not osp.exists(existing):
        existing = osp.dirname(existing)
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b'mmgreen')
    except OSError as error:
        raise UserError(
            f'nothing can be written to the work dir {folder}: {explain(error)} (--work-dir)'
        ) from error
