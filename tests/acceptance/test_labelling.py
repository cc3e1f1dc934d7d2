"""From a detector back to the labels, by exactly the lines that docs/labelling.md shows."""

import json
import re
import shlex

import pytest
from helpers import ROOT, run_command

from mmgreen.importing import read_dataset

PAGE = (ROOT / 'docs/labelling.md').read_text().split('## A round, from end to end')[1]
BLOCKS = re.findall(r'```(bash|python)\n(.*?)```', PAGE, re.S)
# Few images, nets and steps; what the page shows is otherwise as it stands.
FEWER = {'--train 400': '--train 14', '--train 40': '--train 6', '--val 100': '--val 3'}
FEWER |= {'--number 50': '--number 5', '--steps 2000': '--steps 2'}
SMALL = ['model.test_cfg.rcnn.max_per_img=20', 'train_dataloader.num_workers=0']
SHORT = {
    'pretrain.py': ['train_dataloader.num_workers=0', 'train_dataloader.batch_size=2'],
    'detector.py': [
        *SMALL,
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'param_scheduler=[]',
    ]
    + ['default_hooks.checkpoint.interval=2', 'val_dataloader.num_workers=0'],
}


def run(line, cwd):
    for many, few in FEWER.items():
        line = re.sub(rf'{many}\b', few, line)
    program, command, *words = shlex.split(line)
    assert program == 'mmgreen'
    if command == 'train':
        words += ['--cfg-options', *SHORT[words[0].rsplit('/', 1)[-1]]]
    elif command == 'test':
        words += ['--cfg-options', 'test_dataloader.num_workers=0']
    elif command == 'detect':  # of two steps nothing has a high score
        words += ['--threshold', '0.01', '--cfg-options', 'model.test_cfg.rcnn.max_per_img=5']
    done = run_command(command, *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def played(tmp_path_factory):
    """The folder in which all lines were run, and what each command printed last."""
    cwd = tmp_path_factory.mktemp('round')
    said = {}
    for language, block in BLOCKS:
        if language == 'python':
            exec(block.replace("Path('", f"Path('{cwd}/"), {})  # the page's own
            continue
        for line in block.splitlines():
            said[line.split()[1]] = run(line, cwd)
    return cwd, said


def test_chosen_images_are_none_that_are_labelled(played):
    cwd, said = played
    chosen = sorted((cwd / 'next/images').glob('*.jpg'))
    assert len(chosen) == 5
    there = {path.read_bytes() for path in (cwd / 'data/other/train').iterdir()}
    labelled = {path.read_bytes() for path in (cwd / 'data/fruit/train').iterdir()}
    assert {path.read_bytes() for path in chosen} <= there - labelled
    assert '14 images\n  0 of them are among the 9 that are labelled' in said['choose']


def test_each_tool_has_a_file_of_them(played):
    cwd, _ = played
    assert (cwd / 'found/cvat/annotations.xml').is_file()
    names = {path.stem for path in (cwd / 'found/labelme').glob('*.json')}
    assert names == {path.stem for path in (cwd / 'next/images').glob('*.jpg')}


def test_what_was_corrected_is_trained_on_beside_what_there_was(played):
    cwd, _ = played
    counts = {}
    for name in ('fruit', 'second'):
        path = next(
            path
            for path in (
                cwd / f'configs/{name}/annotations/train.json',
                cwd / 'data/fruit/annotations/train.json',
            )
            if path.is_file()
        )
        counts[name] = len(json.loads(path.read_text())['images'])
    assert counts == dict(fruit=6, second=11)
    corrected = read_dataset(cwd / 'next/images')
    assert sum(len(image.objects) for image in corrected.images) > 5
    reports = [cwd.joinpath('work_dirs', f'{name}_detector') for name in ('fruit', 'second')]
    assert all(list(folder.rglob('report.json')) for folder in reports)
