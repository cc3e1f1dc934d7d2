"""A dataset base and configs that inherit from it, with a reason for each choice."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from torch import Tensor

from mmgreen.checkpoints import (
    SwinArchitecture,
    architecture_of,
    convert,
    find_checkpoint,
    holds_detector,
    holds_timm_net,
    read_checkpoint,
    unwrap,
)
from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import evenly_spaced
from mmgreen.datasets.names import printable
from mmgreen.datasets.statistics import Statistics, measure_images
from mmgreen.datasets.tree import is_nameable
from mmgreen.errors import UserError
from mmgreen.files import write_keeping, write_whole
from mmgreen.images import is_deep
from mmgreen.importing import (
    Dataset,
    choose_tiling,
    cut_into_tiles,
    divide,
    merge,
    read_dataset,
)
from mmgreen.version import __version__

from . import detector, pretraining
from .machine import Machine
from .placing import place_splits
from .traits import measure
from .unlabelled import find_unlabelled

#: Sizes that the paper of Swin has, of which there are weights of ImageNet.
_WIDE = ('tiny', 'small', 'base')
_SIZES = ('nano', *_WIDE)
#: Channels of the first stage and blocks of each, by which a start's size is known.
_SHAPES = {
    (32, (2, 2, 4)): 'nano',
    (96, (2, 2, 6, 2)): 'tiny',
    (96, (2, 2, 18, 2)): 'small',
    (128, (2, 2, 18, 2)): 'base',
}
#: A small net of ImageNet, in the place of a backbone of this project.
_LITE = 'efficientnet-lite0'
#: What can be made: kind of model, and its backbone.
MODELS = (
    *(
        f'{kind}_swin-{size}'
        for kind in ('mask-rcnn', 'faster-rcnn', 'greenmim')
        for size in _SIZES
    ),
    f'mask-rcnn_{_LITE}',
    f'faster-rcnn_{_LITE}',
)
#: Windows of the larger backbones, as the files of their configs are called.
_FILES = dict(nano='nano', tiny='tiny-w7', small='small-w7', base='base-w7')
_PRETRAINING = dict(
    nano='greenmim_swin-nano_b32-4k_own-data.py',
    tiny='greenmim_swin-tiny-w7_b128-amp-10k_own-data.py',
)


#: A category of fewer objects than this is named.
_FEW = 10
#: So many images are looked at to see whether they have more than eight bits.
_MOST_OPENED = 50


@dataclass(frozen=True)
class MadeConfigs:
    """What was written.

    Attributes:
        dataset: What was found.
        configs: Files to train by.
        work_dirs: What each of them writes to.
        models: Names of :data:`MODELS` that they are of.
        advised_start: Weights of ImageNet for a Swin detector that begins from scratch, as ``start`` takes them;
            None where there is none such.
    """

    dataset: Dataset
    configs: list[Path]
    work_dirs: list[Path]
    models: list[str]
    advised_start: str | None


def make_configs(
    folder: Path,
    out: Path,
    machine: Machine,
    models: list[str] | None = None,
    start: str | None = None,
    crowds_as_objects: bool = False,
    seed: int = 0,
    split: str | None = None,
    teacher: str | None = None,
    teacher_weights: str | None = None,
    unlabelled: Path | None = None,
    steps: int | None = None,
    newer: Sequence[Path] = (),
    tile: int | None = None,
) -> MadeConfigs:
    """Write a dataset base and configs for what a folder holds.

    Nothing is written before all of it is known to be sound.

    Args:
        folder: Folder of any format that :func:`~mmgreen.importing.read_dataset` knows.
        out: Folder to write to.
        machine: Where the configs will be run.
        models: Names of :data:`MODELS`. By default a detector that fits annotations, machine and start,
            or, of images without objects, a pre-training. On a CPU a detector has a small net of ImageNet
            where images have three channels, and no start or teacher asks for a Swin.
        start: Checkpoint that they start from, of a backbone or, for detectors, of a whole detector: a file, a run's
            folder, or ``hf://OWNER/NAME``; by default none.
        crowds_as_objects: Take each crowd of a COCO file as one object.
        seed: Decides which images are held out where no split is named.
        split: How they are held out: see ``by`` of :func:`~mmgreen.importing.divide`.
        teacher: Net whose features the pre-training predicts, see
            :class:`~mmgreen.models.teachers.Teacher`; pixels by default.
        teacher_weights: File of its weights, where they are not those that come with its name.
        unlabelled: Folder of images that a detector is to learn from without labels. By default those
            of ``folder`` that are not annotated, where there are as many as are trained on.
        steps: Length of the trainings; warm-up, decay, validations and checkpoints go with it.
        newer: Folders that were annotated later, oldest first (:func:`mmgreen.importing.merge`).
        tile: Side in pixels of tiles that detectors are trained and validated on, cut into ``out/tiles``; they
            are tested on whole images, tile by tile.

    Raises:
        UserError: If the folder cannot be used, or a model or the teacher does not fit it.
    """
    for file in filter(None, (start, teacher_weights)):
        if '://' not in file and not Path(file).exists():
            raise UserError(f'checkpoint {file} does not exist')
    start, teacher_weights = (file and find_checkpoint(file) for file in (start, teacher_weights))
    begun = unwrap(read_checkpoint(start)) if start else {}
    more = str(unlabelled) if unlabelled else None
    for name in filter(None, (str(out.absolute()), start, teacher, teacher_weights, more)):
        if not is_nameable(name) or '"""' in name or '\\' in name:
            raise UserError(
                f'{name!r} cannot stand in a config (a line break, a backslash, {{{{, three quotes, or '
                'letters that are not UTF-8): '
                'name another one'
            )
    labels_matter = not models or not all(model.startswith('greenmim') for model in models)
    dataset = read_dataset(folder, crowds_as_objects, labels_matter=labels_matter)
    merge(dataset, [read_dataset(later, crowds_as_objects) for later in newer])
    for model in models or ():
        _check_fit(dataset, model)
    if teacher is not None:
        _check_teacher(teacher, models)
    divide(dataset, seed=seed, by=split)
    for split in dataset.splits:
        if dataset.labelled and not dataset.counts(split):
            raise UserError(f'no image of {split} in {folder} has an object')
    dataset.notes += _rare(dataset)
    levels = _levels(dataset)
    several = levels.channels if levels else 3
    channels = 3 if several == 1 else several
    models = models or _fitting(dataset, machine, channels, begun, teacher is not None)
    detectors = [model for model in models if not model.startswith('greenmim')]
    if tile and unlabelled:
        raise UserError('images without labels are not cut: leave out --tile or --unlabelled')
    others = find_unlabelled(dataset, unlabelled) if detectors and not tile else None
    tiling, cut = None, dataset
    if tile and detectors:
        tiling = choose_tiling(dataset, tile)
        cut = cut_into_tiles(dataset, ('train', 'val'), tiling, out / 'tiles', seed)
        train, val = (len(cut.splits[split]) for split in ('train', 'val'))
        dataset.notes.append(
            f'{train} tiles to train on and {val} to validate on, of {tile} pixels, overlap by '
            f'{tiling.overlap:.0%}, as all but the largest objects are long'
        )
    traits = measure(cut)
    if channels != 3:
        for what, given in (
            ('--teacher', teacher),
            ('--model or --start', _LITE if _taken(models) else None),
        ):
            if given is not None:
                raise UserError(
                    f'{given} sees red, green and blue, and the images of {folder} have {channels} '
                    f'channels: leave it out of {what}'
                )
    name = out.resolve().name
    common = dict(
        levels=levels,
        channels=channels,
        mean=(levels.mean * 3)[:3] if levels else None,
        std=(levels.std * 3)[:3] if levels else None,
        version=__version__,
        dataset=dataset,
        traits=traits,
        machine=machine,
        start=start,
        whole=holds_detector(begun),
        teacher=teacher,
        teacher_weights=teacher_weights,
        root=str(folder).rstrip('/') + '/',
        tiling=tiling,
        cut=cut,
        tensorboard=find_spec('tensorboard') is not None,
    )
    places = {
        labels: place_splits(dataset, out / 'annotations', labels)
        for labels in {not model.startswith('greenmim') for model in models}
    }
    files = {
        labels: dict(
            placed=placed,
            files={split: _named(p.ann_file, folder, out) for split, p in placed.items()},
        )
        for labels, placed in places.items()
    }
    if tiling:
        placed = place_splits(cut, out / 'annotations/tiles', labels=True)
        files[True] |= dict(
            tiles={split: _named(p.ann_file, folder, out) for split, p in placed.items()},
            tiles_root=_named(out / 'tiles', folder, out),
        )
    if True in files:
        write_keeping(out / 'dataset.py', _render('dataset.py', common | files[True]))
    configs, work_dirs, advised = [], [], None
    for model in models:
        kind, backbone = model.split('_')
        size = backbone.removeprefix('swin-')
        file = 'pretrain' if kind == 'greenmim' else 'detector'
        path, work_dir = out / f'{file}.py', Path('work_dirs', f'{name}_{file}')
        rest: dict[str, Any] = dict(kind=kind, size=size, work_dir=work_dir, path=path)
        if kind == 'greenmim':
            rest['recipe'] = pretraining.choose(traits, machine, size, steps)
            rest['base'] = f'own_data/{_PRETRAINING["nano" if size == "nano" else "tiny"]}'
        else:
            rest['recipe'] = detector.choose(traits, machine, size, steps)
            net = _LITE if size == _LITE else f'green-swin-{_FILES[size]}'
            rest['base'] = f'_base_/models/{kind}_{net}_fpn.py'
            if start is None and teacher is None and size in _WIDE:
                advised = f'hf://timm/swin_{size}_patch4_window7_224.ms_in1k'
            rest['advised'] = advised
        write_keeping(path, _render(f'{file}.py', common | files[kind != 'greenmim'] | rest))
        configs.append(path)
        work_dirs.append(work_dir)
        if others and kind != 'greenmim':
            path, work_dir = out / 'semi.py', Path('work_dirs', f'{name}_semi')
            listed = out / 'annotations/unlabelled.txt'
            write_whole(listed, ''.join(f'{name}\n' for name in others.names))
            rest |= dict(work_dir=work_dir, path=path, unlabelled=others)
            rest |= dict(list=_named(listed, folder, out), batch=max(2, rest['recipe'].batch))
            write_keeping(path, _render('semi.py', common | rest))
            configs.append(path)
            work_dirs.append(work_dir)
    return MadeConfigs(dataset, configs, work_dirs, models, advised)


def _rare(dataset: Dataset) -> list[str]:
    """Which categories have hardly anything to learn from."""
    if not dataset.labelled:
        return []
    counts = dataset.counts('train')
    few = [f'{name} ({counts[name]})' for name in dataset.categories if counts[name] < _FEW]
    if not few:
        return []
    return [
        f'WARNING: fewer than {_FEW} objects of {listed(few)} are trained on, which will hardly be found: label some '
        'more, or leave them out'
    ]


def _levels(dataset: Dataset) -> Statistics | None:
    """Statistics of images that eight bits and three channels cannot hold; None of others."""
    paths = [dataset.folder / image.name for image in dataset.splits['train']]
    some = evenly_spaced(paths, _MOST_OPENED)
    return measure_images(paths) if any(is_deep(str(path)) for path in some) else None


def _fitting(
    dataset: Dataset, machine: Machine, channels: int, begun: Mapping[str, Tensor], taught: bool
) -> list[str]:
    size = _size_of(begun) or ('nano' if machine.gpu_memory is None else 'tiny')
    if not dataset.labelled:
        return [f'greenmim_swin-{size}']
    kind = 'mask-rcnn' if dataset.has_masks else 'faster-rcnn'
    if taught:
        return [f'greenmim_swin-{size}', f'{kind}_swin-{size}']
    # docs/evidence.md: in equal time nothing else comes as far on a CPU.
    best = machine.gpu_memory is None and channels == 3
    lite = holds_timm_net(begun) if begun else best
    return [f'{kind}_{_LITE if lite else f"swin-{size}"}']


def _size_of(weights: Mapping[str, Tensor]) -> str | None:
    """Which of our Swins a checkpoint is of; None where it is of none."""
    try:
        found = architecture_of(convert(weights).backbone)
    except UserError:
        return None
    if not isinstance(found, SwinArchitecture):
        return None
    return _SHAPES.get((found.embed_dims, found.depths))


def _taken(models: list[str]) -> bool:
    """Whether a detector has the net of ImageNet."""
    return any(model.endswith(_LITE) for model in models)


def _check_teacher(teacher: str, models: list[str] | None) -> None:
    from mmgreen.models.teachers import kind_of  # seconds, which most need not wait

    kind_of(teacher)
    if models and not any(model.startswith('greenmim') for model in models):
        raise UserError(
            f'teacher {teacher} teaches a pre-training, and {", ".join(models)} is none: add '
            'greenmim_swin-nano to --model, or leave --teacher out'
        )


def _check_fit(dataset: Dataset, model: str) -> None:
    if model not in MODELS:
        raise UserError(f'there is no model {model}: choose one of {", ".join(MODELS)}')
    if model.startswith('greenmim'):
        return
    if not dataset.labelled:
        raise UserError(
            f'{dataset.folder} ({dataset.format}) has no boxes or masks to train {model} on: '
            'annotate some images, or pre-train with --model greenmim_swin-tiny'
        )
    if model.startswith('mask') and not dataset.has_masks:
        raise UserError(
            f'{dataset.folder} has boxes without masks, and {model} learns from masks: take '
            f'{model.replace("mask", "faster", 1)}'
        )


def _named(path: Path | None, folder: Path, out: Path) -> str:
    """A file as Python text that a dataset takes: below its folder, or beside the config."""
    if path is None:
        return ''
    if path.is_relative_to(out):
        # mmengine writes the folder into the text of the config, whatever characters it has.
        return f'r"""{{{{ fileDirname }}}}/{path.relative_to(out).as_posix()}"""'
    return repr(path.relative_to(folder).as_posix())


def _comment(text: str) -> str:
    """A text of the user's in one line, in which mmengine replaces nothing."""
    return printable(text).replace('{{', '{ {')


def _render(name: str, values: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader('mmgreen.recipes'),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python, not HTML
    )
    environment.filters.update(
        repr=repr, comment=_comment, shell=lambda path: shlex.quote(str(path))
    )
    return environment.get_template(f'{name}.j2').render(values)
