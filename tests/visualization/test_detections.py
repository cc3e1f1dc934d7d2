"""Objects in pictures: where they are, and in which colour."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmgreen.engine.hooks.det_visualizer import DetVisualizer
from mmgreen.visualization import category_colour, draw_detections

GREY = np.full((120, 160, 3), 90, dtype=np.uint8)


def test_colours_of_categories_are_told_apart():
    colours = np.array([category_colour(k) for k in range(12)], dtype=int)
    apart = np.abs(colours[:, None] - colours).sum(-1) + 999 * np.eye(12, dtype=int)
    assert apart.min() > 40
    assert len({category_colour(k) for k in range(500)}) > 300


@pytest.mark.parametrize('label', [0, 7])
def test_a_box_and_a_mask_are_where_they_are(label):
    mask = np.zeros((120, 160), dtype=bool)
    mask[60:80, 60:90] = True
    picture = draw_detections(GREY, np.array([[50.0, 50, 100, 90]]), [label], ['nut'], [mask])
    assert (GREY == 90).all()
    colour = np.array(category_colour(label))
    for row, column in ((50, 70), (90, 70), (70, 50), (70, 100)):  # edges, in the category's colour
        assert (picture[row, column] == colour).all()
    assert (picture[55, 55] == 90).all()  # inside the box, outside the mask
    assert (np.abs(picture[70, 75] - (0.55 * 90 + 0.45 * colour)) <= 1).all()
    assert (picture[100:] == 90).all()
    above = picture[30:49, 50:90]  # the name on its colour
    assert (above == colour).all(-1).mean() > 0.3
    assert np.ptp(above, axis=(0, 1)).max() > 60


@pytest.mark.parametrize(
    'box', [(-20, -20, 30, 30), (150, 110, 400, 300), (0, 0, 160, 120), (5, 5, 5, 5)]
)
def test_boxes_beyond_the_image_are_drawn_as_far_as_it_goes(box):
    picture = draw_detections(GREY, np.array([box], dtype=float), [1], ['a long name of a thing'])
    assert picture.shape == GREY.shape
    assert (picture != 90).any()


def test_nothing_found_is_the_image_itself():
    assert (draw_detections(GREY, np.zeros((0, 4)), [], []) == GREY).all()


def test_mmdets_visualizer_draws_alike():
    """As mmgreen test --show-dir does."""
    masks = torch.zeros(1, 120, 160, dtype=torch.bool)
    masks[0, 60:80, 60:90] = True
    boxes = torch.tensor([[50.0, 50, 100, 90]])
    found = InstanceData(
        bboxes=boxes, labels=torch.tensor([1]), scores=torch.tensor([0.876]), masks=masks
    )
    drawn = DetVisualizer()._draw_instances(GREY, found, ('bolt', 'nut'), None)
    mine = draw_detections(GREY, boxes.numpy().astype(float), [1], ['nut 0.88'], masks.numpy())
    assert (drawn == mine).all()
    found.bboxes = torch.zeros(1, 4)  # of masks alone
    drawn = DetVisualizer()._draw_instances(GREY, found, ('bolt', 'nut'), None)
    mine = draw_detections(GREY, np.array([[60.0, 60, 90, 80]]), [1], ['nut 0.88'], masks.numpy())
    assert (drawn == mine).all()
