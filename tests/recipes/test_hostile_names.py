"""Names are data: nothing of a dataset runs, breaks or restyles what is written of it."""

import ast
import io
import json
import shlex
import tokenize
from pathlib import Path

import pytest
from helpers import run_command
from mmengine.config import Config
from worlds import World, write

from mmgreen.errors import UserError
from mmgreen.importing import read_dataset
from mmgreen.recipes import make_configs, this_machine

NAMES = [
    'bear\nopen("RAN", "w").write("x")\n# ',
    '"""\nopen("RAN", "w")\n"""',
    "';open('RAN','w');'",
    '{{ fileDirname }}',
    '{{ _base_.model }}',
    '{% for x in y %}',
    '<script>alert(1)</script>',
    '$(touch RAN) `touch RAN` ; touch RAN',
    '\x1b[31mred\u202e',
    '# %s %(x)s {x} \\n',
]
FOLDERS = [
    "it's",
    'a "b"',
    '$(touch RAN); x',
    '# {x} %s',
    "'+open('RAN','w')+'",
    '你 好',
]


def sentences(path):
    """The statements of a Python file, and its comments."""
    source = path.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return ast.parse(source).body, [t.string for t in tokens if t.type == tokenize.COMMENT]


@pytest.mark.parametrize('place', FOLDERS)
def test_configs_say_names_and_do_nothing_else(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = {
        f'{place}/{place} {i}.png': [(k, (2, 2, 9, 9)) for k in range(len(NAMES))] for i in range(6)
    }
    write('COCO', World(images, NAMES), Path('data', place))
    out = Path('configs', place)
    models = ['mask-rcnn_swin-nano', 'greenmim_swin-nano']
    made = make_configs(Path('data', place), out, this_machine(None), models)
    assert not list(tmp_path.rglob('RAN'))
    for path in out.glob('*.py'):
        body, comments = sentences(path)
        assert all(isinstance(node, ast.Assign) for node in body), 'settings, and nothing else'
        assert all(comment.isprintable() for comment in comments)
    cfg = Config.fromfile(made.configs[0])
    assert not list(tmp_path.rglob('RAN'))
    assert cfg.train_dataloader.dataset.data_root == f'data/{place}/'
    train = json.loads(Path(cfg.train_dataloader.dataset.ann_file).read_text())
    assert all(Path('data', place, image['file_name']).is_file() for image in train['images'])
    assert Path(cfg.val_evaluator.ann_file).is_file()
    assert cfg.work_dir == f'work_dirs/{place}_detector'
    pretraining = Config.fromfile(made.configs[1])
    listed = Path(pretraining.train_dataloader.dataset.ann_file).read_text().splitlines()
    assert all(Path('data', place, name).is_file() for name in listed)
    assert not list(tmp_path.rglob('RAN'))
    names = [category['name'] for category in train['categories']]
    assert names == list(read_dataset(Path('data', place)).categories)
    assert all(name.isprintable() for name in names)


def test_the_line_that_is_printed_can_be_pasted(tmp_path):
    place = FOLDERS[2]
    write(
        'LabelMe',
        World({f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(4)}, ['cat']),
        tmp_path / 'd',
    )
    done = run_command('make-config', 'd', '--out', place, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith('mmgreen train')]
    assert shlex.split(line, comments=True) == ['mmgreen', 'train', f'{place}/detector.py']


@pytest.mark.parametrize('place', ['two\nlines', 'a {{ b', 'a"""b', 'back\\slash'])
def test_a_folder_that_a_config_cannot_hold_is_refused(place, tmp_path):
    write(
        'LabelMe',
        World({f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(4)}, ['cat']),
        tmp_path / 'd',
    )
    with pytest.raises(UserError, match='cannot stand in a config'):
        make_configs(tmp_path / 'd', tmp_path / place, this_machine(None))
    assert not (tmp_path / place).exists()


def test_what_is_printed_of_a_folder_obeys_nobody(tmp_path):
    write(
        'Pascal VOC', World({f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(4)}, ['cat']), tmp_path
    )
    (tmp_path / '0.png').rename(tmp_path / '\x1b[2Jgone.png')
    done = run_command('check', tmp_path)
    assert '\x1b' not in done.stdout
    assert r'\x1b[2Jgone.png' in done.stdout
