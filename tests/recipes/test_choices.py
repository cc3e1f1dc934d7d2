"""What a recipe chooses follows from images and machine, within what either can take."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgreen.recipes import detector, pretraining
from mmgreen.recipes.machine import Machine
from mmgreen.recipes.traits import Traits, _quantiles


@st.composite
def traits(draw):
    short = draw(st.integers(64, 4000))
    small = draw(st.floats(2, short))
    return Traits(
        images=draw(st.integers(1, 200_000)),
        long=draw(st.integers(short, 4 * short)),
        short=short,
        objects=draw(st.integers(1, 10**6)),
        small=small,
        middle=draw(st.floats(small, short)),
        crowded=draw(st.integers(1, 2000)),
        sides=tuple(sorted(draw(st.lists(st.floats(2, short), min_size=1, max_size=20)))),
    )


MACHINES = st.builds(Machine, gpu_memory=st.none() | st.floats(6, 160), cores=st.integers(1, 64))
SIZES = st.sampled_from(['nano', 'tiny', 'small', 'base'])


@given(traits(), MACHINES, SIZES)
def test_a_detector_fits_its_images_and_machine(images, machine, size):
    recipe = detector.choose(images, machine, size)
    longest = 1333 if machine.gpu_memory else 512
    assert recipe.scale[0] <= longest + 32
    assert all(side % 32 == 0 for side in recipe.scale)
    assert 1 <= recipe.batch <= 16
    assert recipe.most >= max(100, images.crowded)
    assert recipe.warm_up < recipe.steps
    assert recipe.interval * 4 <= recipe.steps
    assert recipe.workers <= max(1, machine.cores - 1)


@given(traits(), MACHINES, SIZES)
def test_small_objects_are_enlarged_and_large_ones_are_not(images, machine, size):
    zoom = detector.choose(images, machine, size).zoom
    assert zoom <= max(1, 16 / images.small) + 1e-9
    assert zoom * images.long <= (1333 if machine.gpu_memory else 512) + 1e-6


@given(traits(), MACHINES, SIZES)
def test_anchors_fit_the_objects_as_well_as_any(images, machine, size):
    recipe = detector.choose(images, machine, size)

    def overlap(smallest):
        """By drawing squares at one place: of two the smaller lies in the larger."""
        most = recipe.anchors[1] / recipe.anchors[0]
        sides = [smallest * 2**k for k in range(7) if 2**k <= most]
        return np.mean(
            [
                max(
                    min(a, recipe.zoom * side) ** 2 / max(a, recipe.zoom * side) ** 2 for a in sides
                )
                for side in images.sides
            ]
        )

    assert recipe.overlap == pytest.approx(overlap(recipe.anchors[0]), abs=1e-6)
    assert all(recipe.overlap > overlap(4 * anchor) - 0.05 for anchor in (2, 3, 4, 6, 8))


def test_a_rare_category_weighs_as_much_as_a_common_one():
    names = ['nut'] * 900 + ['plate'] * 10
    sides = np.array([10.0] * 900 + [200.0] * 10)
    found = _quantiles(sides, names)
    assert (found.count(10.0), found.count(200.0)) == (50, 50)


@given(traits(), MACHINES, SIZES)
def test_a_pre_training_shows_a_share_of_each_image(images, machine, size):
    recipe = pretraining.choose(images, machine, size)
    assert 0 <= recipe.ratios[0] <= recipe.ratios[1] <= 1
    assert recipe.unit in (None, 8)
    assert (recipe.unit == 8) == (images.middle < 32)
    assert (
        recipe.epochs * images.images == recipe.steps * recipe.batch
        or abs(recipe.epochs * images.images - recipe.steps * recipe.batch) < 1e-3 * recipe.steps
    )
    # The rate goes with the batch.
    usual = pretraining.choose(images, Machine(gpu_memory=None, cores=2), size)
    assert abs(recipe.rate / recipe.batch - usual.rate / usual.batch) < 1e-12


@given(traits(), SIZES, st.floats(6, 80), st.floats(1, 2))
def test_more_memory_never_means_a_smaller_batch(images, size, memory, more):
    batches = [
        choose(images, Machine(gpu_memory=gib, cores=8), size).batch
        for choose in (detector.choose, pretraining.choose)
        for gib in (memory, memory * more)
    ]
    assert batches[0] <= batches[1]
    assert batches[2] <= batches[3]
