"""What a run was made with, and what it cost: logged while it runs, and kept beside it."""

import datetime
import json
import os.path as osp
import platform
import resource
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner

from mmgreen.checkpoints import threshold_of
from mmgreen.config import around_backbone, parts
from mmgreen.datasets.annotations import read_annotations
from mmgreen.engine.runner.model import unwrapped
from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.registry import HOOKS

#: The file's name, in the folder of a run's log.
RECORD = 'run.json'

_PACKAGES = ('mmgreen', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain', 'mmseg', 'torch', 'torchvision')


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Log images/s and memory, and write ``run.json`` beside the log.

    The record holds config, checkpoint, commit, versions and device, and the
    images, seconds and memory that training or testing took. Reports read it.
    ``mmgreen train`` and ``mmgreen test`` add the hook to every run.

    Memory is the peak of what PyTorch allocates on the GPU, or of the process
    where there is none, in MiB, of the main process; it is asked for where it is
    logged or written.
    """

    # After the timer, before the logger.
    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        self._begin(runner, 'train')
        model = unwrapped(runner.model)
        bases = {base.__name__ for base in type(model).__mro__}
        self._record |= dict(
            first_iteration=runner.iter,
            self_supervised='BaseSelfSupervisor' in bases,  # mmpretrain's
        )

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        self._last = time.perf_counter()

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = 'train',
    ) -> None:
        if mode == 'val':
            return
        self._recent.append(self._count(data_batch))
        if mode == 'train':
            images, seconds = map(sum, zip(*self._recent, strict=True))
            hub = runner.message_hub
            hub.update_scalar('train/images_per_s', images / seconds)
            if self._is_logged(runner, batch_idx) and not torch.cuda.is_available():
                hub.update_scalar('train/memory', int(_memory()))  # on a GPU mmengine logs it

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self._last = time.perf_counter()  # between two steps, validation is not training

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._write(runner)

    def after_train(self, runner: Runner) -> None:
        self._write(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        unwrapped(runner.model).threshold = threshold_of(checkpoint)

    def before_test(self, runner: Runner) -> None:
        self._begin(runner, 'test')
        self._record['threshold'] = getattr(unwrapped(runner.model), 'threshold', None)
        dataset = runner.cfg.test_dataloader.dataset
        prefix = dataset.get('data_prefix')
        if dataset.get('ann_file') and isinstance(prefix, dict):  # COCO, for reports
            root = dataset.get('data_root') or ''
            annotations = osp.abspath(osp.join(root, dataset.ann_file))
            self._record |= dict(
                annotations=annotations,
                images_folder=osp.abspath(osp.join(root, prefix.get('img', ''))),
                categories=list(runner.test_dataloader.dataset.metainfo['classes']),
                image_ids=_image_ids(runner.test_dataloader.dataset, annotations),
            )

    def after_test(self, runner: Runner) -> None:
        self._write(runner)

    def _begin(self, runner: Runner, mode: str) -> None:
        # mmengine takes the mean of its times over as many steps.
        self._recent: deque[tuple[int, float]] = deque(maxlen=runner.log_processor.window_size)
        cfg = runner.cfg
        backbone = around_backbone(cfg.model).get('backbone') or {}
        start = (backbone.get('init_cfg') or {}) if mode == 'train' else {}
        self._record = dict(
            mode=mode,
            config=cfg.filename,
            model=cfg.model.type,
            checkpoint=_absolute(cfg.get('load_from')),
            start=_absolute(start.get('checkpoint') if isinstance(start, dict) else None),
            work_dir=osp.abspath(runner.work_dir),
            commit=_commit(cfg.filename),
            versions=_versions(),
            device=_device(),
            processes=get_world_size(),
            trained_on=_images_of(cfg) if mode == 'train' else None,
            started=datetime.datetime.now().isoformat(timespec='seconds'),
            iterations=0,
            images=0,
            seconds=0.0,
            memory_mib=0.0,
        )
        self._last = time.perf_counter()

    def _is_logged(self, runner: Runner, batch_idx: int) -> bool:
        """Whether the log has a line of this step."""
        return any(
            hook.every_n_inner_iters(batch_idx, hook.interval)
            for hook in runner.hooks
            if isinstance(hook, LoggerHook)
        ) or self.end_of_epoch(runner.train_dataloader, batch_idx)

    def _count(self, data_batch: Any) -> tuple[int, float]:
        """Add a step to the record; returns its images, of all processes, and its seconds."""
        now = time.perf_counter()
        inputs = data_batch['inputs']
        if isinstance(inputs, dict):  # the teacher's views are of images that the student sees
            own = [some for name, some in inputs.items() if name != 'unsup_teacher']
            inputs = [image for some in own for image in some if image is not None]
        images, seconds = len(inputs) * get_world_size(), now - self._last
        self._record['iterations'] += 1
        self._record['images'] += images
        self._record['seconds'] += seconds
        self._last = now
        return images, seconds

    def _write(self, runner: Runner) -> None:
        if not is_main_process():
            return
        self._record['memory_mib'] = _memory()
        self._record['finished'] = datetime.datetime.now().isoformat(timespec='seconds')
        content = json.dumps(self._record, indent=2, ensure_ascii=False)
        write_whole(osp.join(runner.log_dir, RECORD), content)


def _images_of(cfg: Any) -> list[dict]:
    """Where the images of a training are: a folder, and a list of those of it that are used, if any."""
    found = []
    for _, dataset in parts(cfg.train_dataloader.dataset):
        root, prefix = dataset.get('data_root') or '', dataset.get('data_prefix') or ''
        folder = prefix.get('img', '') if isinstance(prefix, dict) else prefix
        if '://' in root:
            continue  # a store
        listed, left_out = dataset.get('ann_file'), dataset.get('exclude')
        part: dict[str, Any] = dict(
            folder=osp.abspath(osp.join(root, folder)),
            listed=osp.abspath(osp.join(root, listed)) if listed else None,
        )
        if left_out:
            left_out = [left_out] if isinstance(left_out, str) else left_out
            part['exclude'] = [osp.abspath(path) for path in left_out]
        found.append(part)
    return found


def _image_ids(dataset: Any, annotations: str) -> list[int] | None:
    """Images of a part of an annotation file; None where it is the whole."""
    ids = [dataset.get_data_info(i).get('img_id') for i in range(len(dataset))]
    with suppress(UserError):  # another format
        if None not in ids and len(ids) < len(read_annotations(annotations).images):
            return ids
    return None


def _absolute(path: str | None) -> str | None:
    """Where a file is from any folder; what is no file here stays as it is."""
    return osp.abspath(path) if path and osp.exists(path) else path


def _memory() -> float:
    """Peak memory in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    if osp.exists('/proc/cpuinfo'):
        with open('/proc/cpuinfo') as file:
            found = [line.split(':')[1].strip() for line in file if line.startswith('model name')]
        name = found[0] if found else name
    threads = torch.get_num_threads()
    return f'{name}, {threads} thread{"s" * (threads > 1)}'


def _versions() -> dict[str, str]:
    found = {name: sys.modules[name].__version__ for name in _PACKAGES if name in sys.modules}
    return dict(python=platform.python_version()) | found


def _commit(config: str | None) -> str | None:
    """Commit of the folder that a config is in, with a mark where it was changed since."""
    if not config:
        return None
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        done = subprocess.run(
            command, cwd=osp.dirname(osp.abspath(config)), capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() or None
