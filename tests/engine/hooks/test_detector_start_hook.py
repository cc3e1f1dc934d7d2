"""A training that starts from a whole detector: its head is kept category by category."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from mmgreen.apis import finetune
from mmgreen.checkpoints import classes_of, keep_known_classes, rows_per_class
from mmgreen.config import count_classes, load_config, set_num_classes
from mmgreen.engine import build_model, own_scope
from mmgreen.errors import UserError

DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
NAMES = st.lists(st.sampled_from('abcdefgh'), min_size=1, max_size=5, unique=True)


def box_head(number):
    settings = dict(type='Shared2FCBBoxHead', in_channels=2, roi_feat_size=1, fc_out_channels=3)
    return MODELS.build(settings | dict(num_classes=number))


def mask_head(number):
    return MODELS.build(
        dict(
            type='FCNMaskHead', num_convs=1, in_channels=2, conv_out_channels=2, num_classes=number
        )
    )


def dense_head(number):
    return MODELS.build(
        dict(type='RetinaHead', num_classes=number, in_channels=2, feat_channels=2, stacked_convs=1)
    )


def moved(build, known, wanted):
    """A head of the wanted categories, with what one of the known has."""
    theirs, ours = build(len(known)), build(len(wanted))
    rows = rows_per_class(ours.state_dict(), build(len(wanted) + 1).state_dict())
    named = {f'head.{key}': each for key, each in rows.items()}
    found, own = (
        {f'head.{key}': value.clone() for key, value in head.state_dict().items()}
        for head in (theirs, ours)
    )
    kept, new = keep_known_classes(found, own, named, known, wanted)
    assert set(kept) == {name for name in wanted if name.lower() in {k.lower() for k in known}}
    assert sorted([*kept, *new]) == sorted(wanted)
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    ours.load_state_dict({key.removeprefix('head.'): value for key, value in found.items()})
    return theirs, ours, kept, before


@settings(max_examples=25, deadline=None)
@given(NAMES, NAMES)
def test_a_kept_category_is_scored_boxed_and_masked_as_before(known, wanted):
    wanted = [name.upper() for name in wanted]
    places = {name.upper(): i for i, name in enumerate(known)}
    boxes = moved(box_head, known, wanted)
    masks = moved(mask_head, known, wanted)
    dense = moved(dense_head, known, wanted)
    maps = torch.rand(3, 2, 1, 1)
    with torch.no_grad():
        scores, offsets = zip(*(head(maps) for head in boxes[:2]), strict=True)
        drawn = [head(maps) for head in masks[:2]]
        (first,), (second,) = (head((maps,))[0] for head in dense[:2])
    for name in boxes[2]:
        i, j = places[name], wanted.index(name)
        assert torch.equal(scores[0][:, i], scores[1][:, j])
        # As mmdet's decoding takes them apart.
        taken = [o.view(3, -1, 4)[:, k] for o, k in zip(offsets, (i, j), strict=True)]
        assert torch.equal(*taken)
        assert torch.equal(drawn[0][:, i], drawn[1][:, j])
        apart = [
            s.permute(0, 2, 3, 1).reshape(3, -1, len(names))[..., k]
            for s, names, k in ((first, known, i), (second, wanted, j))
        ]
        assert torch.equal(*apart)
    if boxes[2]:
        assert torch.equal(scores[0][:, -1], scores[1][:, -1])  # the background
    for name in set(wanted) - set(boxes[2]):  # anew, as it was drawn
        j = wanted.index(name)
        assert torch.equal(boxes[1].fc_cls.weight[j], boxes[3]['fc_cls.weight'][j])


def test_a_head_that_mixes_categories_with_others_begins_anew():
    """YOLOv3 has box, objectness and categories in one row of numbers for each anchor."""
    own, found = {'head.pred.weight': torch.zeros(21, 2)}, {'head.pred.weight': torch.ones(24, 2)}
    keep_known_classes(found, own, {'head.pred.weight': 3}, 'abc', 'ab')
    assert not found['head.pred.weight'].any()


@pytest.mark.parametrize(
    ('meta', 'names'),
    [
        (dict(dataset_meta=dict(classes=('a', 'b'))), ('a', 'b')),
        (dict(CLASSES=['a']), ('a',)),
        (dict(CLASSES='person'), ('person',)),
        ({}, None),
    ],
)
def test_names_are_read_from_checkpoints_of_any_age(meta, names):
    assert classes_of(dict(meta=meta)) == names


def test_things_are_counted_where_there_is_no_stuff():
    head = ConfigDict(
        num_things_classes=3, num_stuff_classes=0, loss_cls=dict(class_weight=[2.0] * 3 + [0.1])
    )
    assert count_classes(head, 5)
    assert head.num_things_classes == 5
    assert head.loss_cls.class_weight == [2.0] * 5 + [0.1]
    assert not count_classes(head, 5)
    both = ConfigDict(num_things_classes=3, num_stuff_classes=2)
    assert not count_classes(both, 5)


SMALL = {
    'train_cfg.max_epochs': 1,
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset.indices': 2,
    'train_dataloader.batch_size': 2,
    'optim_wrapper.optimizer.lr': 0.0,
    'model.backbone.init_cfg': None,
}


@pytest.fixture(scope='module')
def other(tmp_path_factory):
    """A checkpoint of a detector of three things, of which the demo has two, in another order."""
    path = tmp_path_factory.mktemp('other') / 'other.pth'
    cfg = load_config(DETECT, {'model.backbone.init_cfg': None})
    set_num_classes(cfg, 3)
    with own_scope(cfg):
        torch.manual_seed(7)
        model = build_model(cfg)
        model.init_weights()
    classes = ('walnut', 'Lemon', 'carrot')
    torch.save(
        dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=classes))), path
    )
    return path


def test_a_training_begins_with_what_fits_and_says_so(demo, other, tmp_path):
    options = SMALL | {'data_root': f'{demo}/', 'load_from': str(other)}
    trained = finetune(DETECT, None, tmp_path / 'run', options)
    begun, saved = (torch.load(file, weights_only=False) for file in (other, trained))
    names = saved['meta']['dataset_meta']['classes']
    theirs, ours = (each['state_dict'] for each in (begun, saved))
    assert torch.equal(theirs['neck.fpn_convs.0.conv.weight'], ours['neck.fpn_convs.0.conv.weight'])
    key = 'roi_head.mask_head.conv_logits.weight'
    for name, place in (('lemon', 1), ('carrot', 2)):
        assert torch.equal(theirs[key][place], ours[key][names.index(name)])
    (log,) = (tmp_path / 'run').glob('*/*.log')
    text = log.read_text()
    assert 'Starts with' in text
    assert 'of the categories' in text
    assert 'begin anew' in text
    assert 'size mismatch' not in text


def test_a_detector_of_another_architecture_is_refused(demo, other, tmp_path):
    cfg = Config.fromfile(DETECT)
    cfg.model.backbone.arch = dict(embed_dims=16, depths=[2, 2, 2], num_heads=[1, 2, 4])
    cfg.model.neck.in_channels = [16, 32, 64]
    options = SMALL | {'data_root': f'{demo}/', 'load_from': str(other)}
    with pytest.raises(UserError, match='cannot start from checkpoint|another architecture'):
        finetune(cfg, None, tmp_path / 'run', options)
