"""Annotation files that are damaged anywhere are read, or refused in a sentence: nothing else."""

import contextlib
import io
import json
import random
from xml.etree import ElementTree

import pytest
from worlds import LAYOUTS, World, write

from mmgreen.datasets.annotations import examine_annotations
from mmgreen.errors import UserError
from mmgreen.importing import read_dataset, write_coco
from mmgreen.importing.checking import check_dataset

#: What is found where a number, a text or a list should be.
JUNK = [
    *(None, [], {}, 'x', '', '0', -1, 0, 1, 1.5, True, [1], [[1, 2]], {'a': 1}),
    *(float('nan'), float('inf'), 10**40, -1e308, '\ud800', 'a\0b', 'a/b.png', '../..'),
]
TRIES = 40
WORDS = ['x', '', 'nan', 'inf', '-5', '1e40', '1,2;3', '[', ':', '\n', '0 0 0']


def places(content):
    """Every place of a JSON document: what holds it, and its key there."""
    keys = content if isinstance(content, dict) else range(len(content))
    for key in keys if isinstance(content, dict | list) else ():
        yield content, key
        if isinstance(content[key], dict | list):
            yield from places(content[key])


def damage(path, rng):
    """Change one thing in an annotation file."""
    if path.suffix == '.json':
        content = json.loads(path.read_text())
        holder, key = rng.choice(list(places(content)))
        if isinstance(holder, dict) and rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = rng.choice(JUNK)
        path.write_text(json.dumps(content))
    elif path.suffix == '.xml':
        tree = ElementTree.parse(path)
        element = rng.choice(list(tree.iter()))
        if element.attrib and rng.random() < 0.7:
            element.attrib[rng.choice(list(element.attrib))] = rng.choice(WORDS)
        elif rng.random() < 0.3:
            element.clear()
        else:
            element.text = rng.choice(WORDS)
        tree.write(path, 'utf-8')
    else:
        words = path.read_text().split(' ')
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        path.write_text(' '.join(words))


@pytest.mark.parametrize('layout', LAYOUTS)
def test_what_is_damaged_is_read_or_refused(layout, tmp_path):
    rng = random.Random(0)
    world = World(
        {f'images/{i}.png': [(0, (2, 2, 9, 9)), (1, (3, 3, 8, 8))] for i in range(3)}, ['a', 'b']
    )
    write(layout, world, tmp_path)
    files = [
        p for p in sorted(tmp_path.rglob('*')) if p.suffix in ('.json', '.xml', '.txt', '.yaml')
    ]
    read, out = 0, tmp_path.with_name('out.json')
    for _ in range(TRIES):
        path = rng.choice(files)
        sound = path.read_text()
        damage(path, rng)
        with contextlib.redirect_stdout(io.StringIO()):
            faults = check_dataset(tmp_path)
        dataset = None
        with contextlib.suppress(UserError):
            dataset = read_dataset(tmp_path)
        assert (dataset is None) == bool(faults), path.read_text()
        if dataset:  # what is written of it is sound
            read += 1
            write_coco(out, dataset.images, dataset.categories)
            assert examine_annotations(str(out))[1] == []
        path.write_text(sound)
    assert 0 < read < TRIES
