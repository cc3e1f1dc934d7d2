"""Categories with hardly an object are named, and half precision is what the GPU has."""

import pytest
from worlds import World, write

from mmgreen.config import load_config
from mmgreen.recipes import make_configs
from mmgreen.recipes.machine import Machine


@pytest.fixture(scope='module')
def cats_and_a_dog(tmp_path_factory):
    """Fourteen images of a cat, on one of which a dog is, too."""
    folder = tmp_path_factory.mktemp('animals')
    cat, dog = (0, (2, 2, 14, 14)), (1, (16, 4, 12, 10))
    images = {f'{i}.png': [cat, dog] if i == 5 else [cat] for i in range(14)}
    write('LabelMe', World(images, ['cat', 'dog']), folder)
    return folder


def test_a_category_of_few_objects_is_named(cats_and_a_dog, tmp_path):
    made = make_configs(cats_and_a_dog, tmp_path / 'out', Machine(None, 2), seed=1)
    (line,) = [note for note in made.dataset.notes if 'hardly be found' in note]
    assert line.startswith('WARNING: fewer than 10 objects of dog (')
    assert 'cat' not in line
    assert line in (tmp_path / 'out/dataset.py').read_text()


@pytest.mark.parametrize(
    ('has_bf16', 'expected'), [(True, ('bfloat16', 1.0)), (False, (None, 'dynamic'))]
)
def test_half_precision_is_what_the_gpu_has(cats_and_a_dog, tmp_path, has_bf16, expected):
    made = make_configs(cats_and_a_dog, tmp_path / 'out', Machine(24, 8, has_bf16))
    wrapper = load_config(str(made.configs[0])).optim_wrapper
    assert wrapper.type == 'AmpOptimWrapper'
    assert (wrapper.get('dtype'), wrapper.loss_scale) == expected
