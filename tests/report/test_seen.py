"""Images of a test that were trained on are counted, whatever they are called."""

import json

import pytest

from mmgreen.datasets.packs.index import INDEX
from mmgreen.report.run import Run
from mmgreen.report.seen import seen_before


@pytest.fixture
def run(tmp_path):
    """A test of four images."""
    (tmp_path / 'val').mkdir()
    names = [f'{i}.png' for i in range(4)]
    for name in names:
        (tmp_path / 'val' / name).write_bytes(b'image ' + name.encode())
    images = [dict(id=i, file_name=name) for i, name in enumerate(names)]
    (tmp_path / 'val.json').write_text(json.dumps(dict(images=images, annotations=[])))
    return Run('a', tmp_path / 'val.json', {}, tmp_path / 'val', {})


@pytest.mark.parametrize('kind', [None, 'txt', 'json'])
def test_copies_are_counted_by_content(run, kind, tmp_path):
    (tmp_path / 'more/deep').mkdir(parents=True)
    (tmp_path / 'more/deep/copy.png').write_bytes(b'image 2.png')
    (tmp_path / 'more/again.png').write_bytes(b'image 2.png')
    (tmp_path / 'more/0.png').write_bytes(b'other 0.png')  # of its name and size alone
    (tmp_path / 'more/not_listed.png').write_bytes(b'image 3.png')
    names = ['deep/copy.png', 'again.png', '0.png', 'gone.png']
    listed = tmp_path / f'list.{kind}'
    if kind == 'txt':
        listed.write_text('\n'.join(['deep/copy.png 3', *names[1:]]))  # with a class
    elif kind == 'json':
        listed.write_text(json.dumps(dict(images=[dict(file_name=name) for name in names])))
    part = dict(folder=str(tmp_path / 'more'), listed=str(listed) if kind else None)
    assert seen_before(run, dict(trained_on=[part])) == ((1, 4) if kind else (2, 4))


def test_what_is_not_known_is_not_said(run, tmp_path):
    assert seen_before(run, {}) is None
    assert seen_before(run, dict(trained_on=None)) is None
    there = dict(folder=str(tmp_path / 'val'), listed=None)
    other = tmp_path / 'other.json'
    other.write_text(json.dumps(dict(images=[dict(id=1, coco_url='http://images/1.jpg')])))
    (tmp_path / 'list.pkl').touch()
    (tmp_path / 'pack').mkdir()
    (tmp_path / 'pack' / INDEX).touch()
    for part in (
        dict(folder=str(tmp_path / 'gone'), listed=None),
        dict(folder=str(tmp_path / 'pack'), listed=None),
        dict(folder=str(tmp_path / 'val'), listed=str(tmp_path / 'gone.txt')),
        dict(folder=str(tmp_path / 'val'), listed=str(other)),
        dict(folder=str(tmp_path / 'val'), listed=str(tmp_path / 'list.pkl')),
    ):
        assert seen_before(run, dict(trained_on=[there, part])) is None


def test_of_a_part_of_the_images_that_part_counts(run, tmp_path):
    some = Run('a', run.annotations, {}, run.images, dict(image_ids=[0, 1, 2]))
    everything = dict(folder=str(tmp_path / 'val'), listed=None)
    assert seen_before(some, dict(trained_on=[everything])) == (3, 3)
    assert seen_before(run, dict(trained_on=[everything])) == (4, 4)


def test_what_was_left_out_was_not_seen(run, tmp_path):
    """A training on everything but a folder, and but what a file names."""
    (tmp_path / 'more').mkdir()
    for i in range(4):
        (tmp_path / f'more/{i + 10}.png').write_bytes(f'image {i}.png'.encode())
    (tmp_path / 'some').mkdir()
    (tmp_path / 'some/x.png').write_bytes(b'image 0.png')
    (tmp_path / 'some.txt').write_text('11.png\n12.png')
    part = dict(folder=str(tmp_path / 'more'), listed=None)
    left_out = [str(tmp_path / 'some'), str(tmp_path / 'some.txt')]
    assert seen_before(run, dict(trained_on=[part])) == (4, 4)
    assert seen_before(run, dict(trained_on=[part | dict(exclude=left_out)])) == (1, 4)
    gone = [str(tmp_path / 'gone')]
    assert seen_before(run, dict(trained_on=[part | dict(exclude=gone)])) is None
