"""A study of one's own images, from a folder alone."""

import pprint
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.recipes import Machine, make_configs

# Minutes of a training below which it shows nothing.
_LEAST = 1.0


def study_of_folder(
    folder: Path,
    out: Path,
    machine: Machine,
    labels: Sequence[int],
    minutes: float,
    seeds: Sequence[int] = (0, 1),
) -> Path:
    """Write a study of what a detector of a folder's images should start from.

    Compared are nothing, a pre-training on the folder's own images for half of the time, and on a CPU a
    small net of ImageNet. All have the same time, and are tested on the folder's images of test or
    validation. A study that is there goes on as it is.

    Args:
        folder: Annotated images, see :func:`mmgreen.recipes.make_configs`.
        out: Folder of the study: its file, configs, runs and report.
        machine: Where it will be run.
        labels: Numbers of labelled images to train on.
        minutes: Of all trainings together; tests and what is measured before are not counted.
        seeds: Repetitions.

    Returns:
        The study file.

    Raises:
        UserError: If the folder has no objects or too few labelled images, or there is too little time.
    """
    path = out / 'study.py'
    if path.is_file():  # perhaps changed by its owner
        print_log(f'Goes on with {path} as it is; for another study name another --out')
        return path
    usual = make_configs(folder, out / 'usual', machine)
    if not usual.dataset.labelled:
        raise UserError(f'{folder} has no objects: a study compares detectors')
    there = sum(bool(image.objects) for image in usual.dataset.splits['train'])
    if max(labels) > there:
        raise UserError(
            f'{folder} has {there} labelled images to train on, fewer than {max(labels)} (--labels)'
        )
    kind, net = usual.models[0].split('_')
    swin = f'swin-{"nano" if machine.gpu_memory is None else "tiny"}'
    make_configs(folder, out / 'configs', machine, [f'greenmim_{swin}', f'{kind}_{swin}'])
    nets = ['none', 'own_images'] + ['imagenet_net'] * (net != swin)
    each = minutes / (len(nets) * len(labels) * len(seeds))
    if each < _LEAST:
        raise UserError(
            f'{minutes:g} minutes are {60 * each:.0f} seconds for each of {round(minutes / each)} trainings: '
            'give it more (--minutes), or fewer numbers of images (--labels)'
        )
    # Nothing is validated on the way, and nothing is chosen by the images of the test.
    quiet: dict[str, Any] = {'custom_hooks': [], 'default_hooks.checkpoint.save_best': None}

    def detector(name: str) -> dict:
        config = str((out / name / 'detector.py').resolve())
        return dict(config=config, minutes=each, cfg_options=quiet)

    pretraining = str((out / 'configs/pretrain.py').resolve())
    starts = dict(
        none=None,
        own_images=dict(config=pretraining, minutes=each / 2, cfg_options={'custom_hooks': []}),
        imagenet_net=dict(detector=detector('usual')),
    )
    content = dict(
        work_dir=str(out),
        seeds=list(seeds),
        labels=list(labels),
        starts={name: starts[name] for name in nets},
        detector=detector('configs'),
    )
    text = '\n'.join(
        f'{key} = {pprint.pformat(value, width=100, sort_dicts=False)}'
        for key, value in content.items()
    )
    write_whole(path, f'# Made by mmgreen study --data: go on by mmgreen study {path}\n{text}\n')
    print_log(
        f'{round(minutes / each)} trainings of {each:.1f} minutes, pre-training included: about '
        f'{minutes:.0f} minutes, and what the tests take',
        logger='current',
    )
    return path
