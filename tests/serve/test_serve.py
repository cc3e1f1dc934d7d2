"""The page that a detector is tried on, in a real browser, and its server."""

import io
import json
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
import uvicorn
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.images import read_image
from mmgreen.serve import create_app

CLASSES = ('bolt', '<b>nut</b>')
BOXES = [[8.0, 4.0, 40.0, 24.0], [50.0, 10.0, 70.0, 44.0]]


class Found:
    """A detector that finds a bolt and a nut in every image."""

    classes = CLASSES
    best_threshold = 0.35

    def __call__(self, path):
        height, width = read_image(path).shape[:2]
        masks = torch.zeros(2, height, width, dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(masks, BOXES, strict=True):
            mask[int(top) : int(bottom), int(left) : int(right)] = True
        sample = DetDataSample(metainfo=dict(ori_shape=(height, width)))
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor(BOXES),
            scores=torch.tensor([0.9, 0.4]),
            labels=torch.tensor([0, 1]),
            masks=masks,
        )
        return [sample]


@pytest.fixture(scope='module')
def address():
    # uvicorn's own settings of logging would close the log files of all runs in this process.
    config = uvicorn.Config(create_app(Found()), port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f'http://127.0.0.1:{port}/'
    server.should_exit = True
    thread.join()


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp('images') / 'table.png'
    Image.fromarray(np.full((48, 80, 3), 90, np.uint8)).save(path)
    return path


def ask(address, content, name):
    request = urllib.request.Request(f'{address}detect?name={name}', content, method='POST')
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_answers_with_coco_of_which_masks_can_be_read(address, image):
    found = ask(address, image.read_bytes(), 'table.png')
    assert found['images'] == [dict(id=1, file_name='table.png', width=80, height=48)]
    assert [c['name'] for c in found['categories']] == list(CLASSES)
    for annotation, (left, top, right, bottom) in zip(found['annotations'], BOXES, strict=True):
        assert annotation['bbox'] == [left, top, right - left, bottom - top]
        rle = coco_mask.frPyObjects(annotation['segmentation'], 48, 80)
        mask = coco_mask.decode(rle).astype(bool)
        assert mask[int(top) : int(bottom), int(left) : int(right)].all()
        assert mask.sum() == (right - left) * (bottom - top)


def test_what_is_no_image_is_one_sentence(address, image, monkeypatch):
    monkeypatch.setattr('mmgreen.serve.app.LARGEST', 4096)
    for content, name, status, detail in (
        (b'text', 'notes.txt', 400, 'notes.txt is no image of a kind that is read: .jpg'),
        (image.read_bytes()[:60], 'cut.png', 400, 'image cut.png cannot be read'),
        (bytes(5000), 'large.png', 413, 'large.png is larger than'),
    ):
        with pytest.raises(urllib.error.HTTPError) as error:
            ask(address, content, name)
        assert error.value.code == status
        assert json.load(error.value)['detail'].startswith(detail)


def test_an_image_that_would_fill_the_memory_is_refused(address, trap):
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(address, trap.read_bytes(), 'trap.tif')
    assert error.value.code == 400
    assert json.load(error.value)['detail'].startswith('image trap.tif of ')


@pytest.mark.slow
@pytest.mark.parametrize('width', [1200, 390])
def test_the_page_shows_detections_and_lets_them_be_downloaded(address, image, browser, width):
    page = browser.new_context(viewport=dict(width=width, height=800)).new_page()
    faults = []
    page.on('pageerror', lambda error: faults.append(str(error)))
    page.goto(address)
    page.set_input_files('#files', [image])
    page.wait_for_selector('canvas')
    assert page.text_content('figcaption') == 'table.png: 2 of 2 objects'
    shown = np.asarray(Image.open(io.BytesIO(page.locator('canvas').screenshot())).convert('RGB'))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 4
    page.locator('#threshold').fill('0.5')
    assert page.text_content('figcaption') == 'table.png: 1 of 2 objects'
    assert page.text_content('#value') == '0.50'
    page.set_input_files('#files', [image])
    page.wait_for_function('document.querySelectorAll("canvas").length == 2')
    with page.expect_download() as download:
        page.click('#download')
    assert download.value.suggested_filename == 'detections.json'
    content = json.loads(download.value.path().read_text())
    assert [i['id'] for i in content['images']] == [1, 2]
    assert [(a['id'], a['image_id'], a['score'] > 0.8) for a in content['annotations']] == [
        (1, 1, True),
        (2, 2, True),
    ]
    page.set_input_files('#files', [dict(name='notes.txt', mimeType='text/plain', buffer=b'a')])
    page.wait_for_selector('.fault')
    assert 'notes.txt is no image' in page.text_content('.fault')
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert not faults


@pytest.mark.slow
def test_an_image_can_be_dropped(address, image, browser):
    page = browser.new_context().new_page()
    page.goto(address)
    data = page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], 'dropped.png', {type: 'image/png'}));
            return data;
        }""",
        list(image.read_bytes()),
    )
    page.dispatch_event('#drop', 'drop', dict(dataTransfer=data))
    page.wait_for_selector('canvas')
    assert page.text_content('figcaption') == 'dropped.png: 2 of 2 objects'
