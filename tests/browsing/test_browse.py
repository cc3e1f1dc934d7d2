"""A page to look through a dataset by: every image, each fault, and what is nearly the same."""

import json
import shutil

import pytest
from PIL import Image
from worlds import World, write

from mmgreen.browsing import browse
from mmgreen.errors import UserError

HOSTILE = '<b>nut</b> & "bolt"'


@pytest.fixture(scope='module')
def mine(tmp_path_factory):
    """Six images: one like another, one of two objects, one of none."""
    folder = tmp_path_factory.mktemp('browsed') / 'mine'
    small, large = (0, (2, 2, 4, 4)), (1, (8, 4, 12, 12))
    images = {f'{i}.png': [small] for i in range(4)}
    images |= {'both.png': [small, large], 'none.png': []}
    write('LabelMe', World(images, [HOSTILE, 'washer']), folder)
    Image.open(folder / '0.png').save(folder / 'again.jpg', quality=95)
    content = json.loads((folder / '0.json').read_text())
    (folder / 'again.json').write_text(json.dumps(content | dict(imagePath='again.jpg')))
    return folder


def test_images_can_be_sorted_and_chosen(mine, tmp_path, browser):
    page, dataset = browse(mine, tmp_path / 'page')
    assert len(list((tmp_path / 'page/thumbnails').iterdir())) == 7
    view = browser.new_page(viewport=dict(width=400, height=800))
    view.goto(page.as_uri())
    shown = '#images figure:not([hidden]) b'

    def names():
        return view.locator(shown).all_text_contents()

    assert names() == ['0.png', '1.png', '2.png', '3.png', 'again.jpg', 'both.png', 'none.png']
    view.select_option('#sort', 'objects')
    assert names()[0] == 'both.png'
    view.select_option('#sort', 'least')
    assert names()[-1] == 'none.png'
    view.select_option('#label', 'washer')
    assert names() == ['both.png']
    assert view.locator('#count').text_content() == '1 of 7'
    view.select_option('#label', index=3)
    assert names() == ['none.png']
    # Names are text, whatever is in them, and nothing is wider than a phone.
    assert view.locator('table th[scope=row]').first.text_content() == HOSTILE
    assert view.evaluate('document.documentElement.scrollWidth') <= 400
    (group,) = view.locator('.alike').all()
    assert group.locator('figure b').all_text_contents() == ['0.png', 'again.jpg']
    view.close()


def test_faults_stand_first_with_their_pictures(mine, tmp_path):
    folder = tmp_path / 'broken'
    shutil.copytree(mine, folder)
    content = json.loads((folder / '1.json').read_text())
    (folder / '1.json').write_text(json.dumps(content | dict(imageWidth=99)))
    (folder / '2.png').write_bytes(b'no image')
    page, _ = browse(folder, tmp_path / 'page')
    text = page.read_text()
    assert text.index('What is wrong') < text.index('id="images"')
    assert '99' in text
    assert 'thumbnails/fault-0.jpg' in text
    assert (tmp_path / 'page/thumbnails/fault-0.jpg').is_file()


def test_images_alone_and_some_of_many(mine, tmp_path):
    folder = tmp_path / 'bare'
    folder.mkdir()
    for path in (*mine.glob('*.png'), *mine.glob('*.jpg')):
        shutil.copy(path, folder)
    page, dataset = browse(folder, tmp_path / 'page', most=3)
    assert not dataset.labelled
    assert '3 of 7, evenly spaced' in page.read_text()


def test_nothing_of_others_is_written_over(mine, tmp_path):
    page, _ = browse(mine, tmp_path / 'page')
    browse(mine, tmp_path / 'page')  # an earlier page is
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/index.html').write_text('mine')
    with pytest.raises(UserError, match='holds files that are no earlier page'):
        browse(mine, tmp_path / 'other')
    with pytest.raises(UserError, match='does not exist'):
        browse(tmp_path / 'nowhere', tmp_path / 'new')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='no image below'):
        browse(tmp_path / 'empty', tmp_path / 'new')
    assert not (tmp_path / 'new').exists()


TWICE = dict(
    images=[dict(id=1, file_name='0.png', width=24, height=20), dict(id=1, file_name='1.png')],
    annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 2, 'x', 4])],
    categories=[dict(id=1, name='bolt')],
)


@pytest.mark.parametrize('content', [json.dumps(TWICE), json.dumps(TWICE)[:90]])
def test_annotations_that_cannot_be_read_are_a_fault_beside_the_images(mine, tmp_path, content):
    folder = tmp_path / 'broken'
    folder.mkdir()
    for i in range(3):
        shutil.copy(mine / f'{i}.png', folder)
    (folder / 'instances.json').write_text(content)
    page, _ = browse(folder, tmp_path / 'page')
    text = page.read_text()
    assert 'What is wrong' in text
    assert 'instances.json' in text
