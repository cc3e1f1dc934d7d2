"""A detector that learns from images without labels, too, as make-config writes it."""

import numpy as np
import pytest
from PIL import Image
from worlds import World, write

from mmgreen.apis import finetune
from mmgreen.config import load_config
from mmgreen.errors import UserError
from mmgreen.recipes import make_configs, this_machine

CPU = this_machine(None)
SHORT = {
    'train_cfg.max_iters': 3,
    'train_dataloader.batch_size': 2,
    'train_dataloader.num_workers': 0,
    'val_dataloader': None,
    'default_hooks.logger.interval': 1,
    'val_cfg': None,
    'val_evaluator': None,
    'default_hooks.checkpoint.save_best': None,
    'custom_hooks': [dict(type='mmgreen.MeanTeacherHook', burn_in=1, warm_up=1)],
    'model.score_thr': 0.0,
}


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """Ten images with boxes, of which some are held out."""
    monkeypatch.chdir(tmp_path)
    images = {f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(10)}
    write('COCO', World(images, ['bear']), tmp_path / 'data')
    return tmp_path / 'data'


def others(folder, number=12, side=64):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        noise = np.random.default_rng(i).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(noise).resize((side, side)).save(folder / f'more_{i}.png')
    return folder


def listed(out):
    return (out / 'annotations/unlabelled.txt').read_text().splitlines()


def test_it_trains_on_both_and_is_named_among_the_configs(labelled, tmp_path):
    out = tmp_path / 'out'
    made = make_configs(labelled, out, CPU, unlabelled=others(tmp_path / 'more'))
    assert [path.name for path in made.configs] == ['detector.py', 'semi.py']
    assert len(listed(out)) == 12
    checkpoint = finetune(out / 'semi.py', work_dir='run', cfg_options=SHORT)
    log = next(checkpoint.parent.glob('*/vis_data/scalars.json')).read_text()
    cfg = load_config(out / 'semi.py')
    detector = load_config(out / 'detector.py')
    assert cfg.model.detector == detector.model
    assert '"sup_loss_cls"' in log
    assert '"unsup_kept"' in log


def test_images_that_nobody_annotated_are_taken_from_the_folder_itself(labelled, tmp_path):
    make_configs(labelled, tmp_path / 'none', CPU)
    assert not (tmp_path / 'none/semi.py').exists()
    more = others(labelled / 'more', number=20)
    make_configs(labelled, tmp_path / 'out', CPU)
    assert {f'more/{path.name}' for path in more.iterdir()} == set(listed(tmp_path / 'out'))


def test_what_the_detector_is_judged_by_is_left_out_whatever_it_is_called(labelled, tmp_path):
    made = make_configs(labelled, tmp_path / 'first', CPU)
    held = made.dataset.splits['val']
    more = others(tmp_path / 'more')
    for i, image in enumerate(held):
        (more / f'copy_{i}.png').write_bytes((made.dataset.folder / image.name).read_bytes())
    make_configs(labelled, tmp_path / 'out', CPU, unlabelled=more)
    assert not [name for name in listed(tmp_path / 'out') if 'copy' in name]
    assert len(listed(tmp_path / 'out')) == 12
    text = (tmp_path / 'out/semi.py').read_text()
    assert f'left out: {len(held)} images that are of validation or test, too (copy_0.png' in text


def test_an_edited_config_is_kept(labelled, tmp_path):
    out = tmp_path / 'out'
    make_configs(labelled, out, CPU, unlabelled=others(tmp_path / 'more'))
    make_configs(labelled, out, CPU, unlabelled=tmp_path / 'more')
    assert not list(out.rglob('*.1'))
    for name in ('detector.py', 'semi.py'):
        with (out / name).open('a') as file:
            file.write('# mine\n')
    make_configs(labelled, out, CPU, unlabelled=tmp_path / 'more')
    assert sorted(path.name for path in out.rglob('*.1')) == ['detector.py.1', 'semi.py.1']
    assert (out / 'detector.py.1').read_text().endswith('# mine\n')
    assert '# mine' not in (out / 'detector.py').read_text()


def test_a_folder_without_any_is_refused_before_anything_is_written(labelled, tmp_path):
    (tmp_path / 'empty').mkdir()
    for folder, words in (('gone', 'does not exist'), ('empty', 'has no image')):
        with pytest.raises(UserError, match=words):
            make_configs(labelled, tmp_path / 'out', CPU, unlabelled=tmp_path / folder)
    assert not (tmp_path / 'out').exists()
