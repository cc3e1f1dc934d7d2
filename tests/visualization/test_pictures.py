"""Pictures show what they say."""

import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from helpers import greenmim_config, mask_with, run_tool, small_greenmim
from mmengine.config import Config

from mmgreen.engine.hooks import ReconstructionHook
from mmgreen.registry import MODELS
from mmgreen.sparse import attention_cost
from mmgreen.visualization import draw_grouping, draw_reconstructions


def drawn_model():
    preprocessor = dict(
        type='mmpretrain.SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    )
    model = MODELS.build(greenmim_config(data_preprocessor=preprocessor))
    model.init_weights()
    return model


def test_a_reconstruction_has_columns_of_masked_predicted_original():
    model = drawn_model()
    model.train()
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (90, 120, 3), dtype=np.uint8) for _ in range(3)]
    state = torch.get_rng_state()
    picture = draw_reconstructions(model, images, 224)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert picture.shape == (3 * 224 + 8, 3 * 224 + 8, 3)
    for i, image in enumerate(images):
        masked, predicted, original = (
            picture[row * 228 : row * 228 + 224, i * 228 : i * 228 + 224] for row in range(3)
        )
        np.testing.assert_array_equal(original, cv2.resize(image, (224, 224)))
        grey = (masked.reshape(7, 32, 7, 32, 3) == 128).all((1, 3, 4))
        assert grey.sum() == 37  # of 49 units, 12 are visible
        seen = ~grey.repeat(32, 0).repeat(32, 1)
        np.testing.assert_array_equal(masked[seen], original[seen])
        # Visible units are kept, up to rounding; masked ones are predicted, not copied.
        assert np.abs(predicted[seen].astype(int) - original[seen]).max() <= 1
        assert np.abs(predicted[~seen].astype(int) - original[~seen]).mean() > 10


@pytest.mark.parametrize('unit', [32, 8])
def test_grouping_draws_every_token_in_its_group_and_tells_the_cost(unit):
    model = small_greenmim()
    side = 224 // unit
    mask = mask_with(side, side, [0, 1, 8, 9, 24, 30, 31, 40, 41, 46, 47, 48])
    layout = model.backbone.build_layout((224, 224), mask)
    image = np.full((224, 224, 3), 200, dtype=np.uint8)
    figure = draw_grouping(image, model.backbone, layout)
    titles = [axes.get_title() for axes in figure.axes]
    assert f'12 of {side**2} units of {unit} pixels visible' in titles
    for (stage, (reach, shift, _)), windows in layout.windows.items():
        name = f'stage {stage + 1}, {"shifted" if shift else "plain"}'
        (place,) = [i for i, title in enumerate(titles) if title.startswith(name)]
        assert f'windows of {reach}' in titles[place]
        assert titles[place + 1].startswith(
            f'{windows.num_groups} group{"s" * (windows.num_groups > 1)} of {windows.group_size}, '
        )
        # As many coloured tokens as there are, where visible units are.
        colours = figure.axes[place].images[1].get_array()
        patches = ~mask[0].repeat_interleave(unit // 4, 0).repeat_interleave(unit // 4, 1).numpy()
        cell = 56 // len(colours)
        seen = patches.reshape(len(colours), cell, len(colours), cell).any((1, 3))
        np.testing.assert_array_equal(colours[..., 3] > 0, seen)
        # Parts of the bars: all windows and what is padding, to the full width.
        width = sum(patch.get_width() for patch in figure.axes[place + 1].patches)
        assert width == windows.num_groups * windows.group_size
    (table,) = [axes.tables[0] for axes in figure.axes if axes.tables]
    first = next(iter(layout.windows.values()))
    told = table[1, 0].get_text().get_text()
    assert told == f'{attention_cost(first.num_groups, first.group_size):,}'


def test_show_grouping_writes_a_picture(coco_tiny, tmp_path):
    image = sorted((coco_tiny / 'val2017').glob('*.jpg'))[0]
    out = tmp_path / 'new/grouping.png'
    done = run_tool('tools/analysis/show_grouping.py', image, '--out', out, '--mask-ratio', 0.6)
    assert done.returncode == 0, done.stderr
    picture = cv2.imread(str(out))
    assert picture.std() > 20


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['none.jpg'], 'image none.jpg does not exist'),
        (['{image}', '--size', 200], 'images of 200x200 pixels'),
        (['{image}', '--mask-ratio', 1.5], 'mask_ratio must lie between 0 and 1'),
        (['{image}', '--out', '{folder}/a.gif2'], 'cannot be written'),
        (
            ['{image}', '--config', 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'],
            'describes MaskRCNN, not mmgreen.GreenMIM',
        ),
    ],
)
def test_show_grouping_says_what_is_wrong(tmp_path, arguments, words):
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), np.zeros((50, 50, 3), dtype=np.uint8))
    arguments = [str(a).format(image=image, folder=tmp_path) for a in arguments]
    done = run_tool('tools/analysis/show_grouping.py', *arguments)
    assert done.returncode == 1
    assert words in done.stderr.strip().splitlines()[-1]
    assert 'Traceback' not in done.stderr


def test_an_image_that_cannot_be_read_is_not_drawn(tmp_path, caplog):
    for i, length in enumerate((None, 100, None)):
        path = tmp_path / f'{i}.png'
        pixels = np.random.default_rng(i).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        cv2.imwrite(str(path), pixels)
        path.write_bytes(path.read_bytes()[:length])
    drawn = []
    runner = SimpleNamespace(
        **dict(model=drawn_model(), iter=0, logger=logging.getLogger('test')),
        cfg=Config(dict(model=dict(backbone=dict(img_size=224)))),
        visualizer=SimpleNamespace(add_image=lambda name, picture, step: drawn.append(picture)),
        train_dataloader=SimpleNamespace(dataset=()),
    )
    hook = ReconstructionHook(images=str(tmp_path))
    hook.before_train(runner)
    (picture,) = drawn
    assert picture.shape == (3 * 224 + 8, 2 * 224 + 4, 3)
    assert f'Not drawn: image {tmp_path}/1.png cannot be read' in caplog.text
    # The end has a picture, once.
    runner.iter, runner.epoch = 7, 1
    hook.after_train_epoch(SimpleNamespace(**vars(runner) | dict(epoch=0)))
    hook.after_train(runner)
    assert len(drawn) == 2
    (tmp_path / '0.png').unlink()
    (tmp_path / '2.png').unlink()
    ReconstructionHook(images=str(tmp_path)).before_train(runner)  # trains all the same
