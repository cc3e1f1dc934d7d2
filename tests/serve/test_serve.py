"""The page that a detector is tried on, in a real browser, and its server."""

import base64
import io
import json
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
import torch
import uvicorn
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.images import read_image
from mmgreen.serve import app, create_app
from mmgreen.version import __version__

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


@contextmanager
def served(*args, **settings):
    """The address of a page."""
    # uvicorn's own settings of logging would close the log files of all runs in this process.
    config = uvicorn.Config(create_app(*args, **settings), port=0, log_config=None)
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
def address():
    with served(Found(), 'best <bolts>.pth') as address:
        yield address


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp('images') / 'table.png'
    Image.fromarray(np.full((48, 80, 3), 90, np.uint8)).save(path)
    return path


def ask(address, content, name, **headers):
    request = urllib.request.Request(
        f'{address}detect?name={name}', content, headers, method='POST'
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def refused(address, content, name, **headers):
    """Status and sentence."""
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(address, content, name, **headers)
    return error.value.code, json.load(error.value)['detail']


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
    for content, name, *expected in (
        (b'text', 'notes.txt', 400, 'notes.txt is no image of a kind that is read: .jpg'),
        (image.read_bytes()[:60], 'cut.png', 400, 'image cut.png cannot be read'),
        (bytes(5000), 'large.png', 413, 'large.png is larger than'),
    ):
        status, detail = refused(address, content, name)
        assert status == expected[0]
        assert detail.startswith(expected[1])


def test_an_image_of_many_pixels_is_measured_and_not_decoded(address, trap, tmp_path, monkeypatch):
    Image.new('1', (30_000, 30_000)).save(tmp_path / 'page.png')
    tifffile.imwrite(
        tmp_path / 'cells.tif', np.zeros((8, 2000, 4000), np.float32), compression='zlib'
    )
    np.save(tmp_path / 'map.npy', np.zeros((6000, 6000, 2), np.float32))

    def never(*args, **kwargs):
        raise AssertionError('it was decoded')

    monkeypatch.setattr(Found, '__call__', never)
    (tmp_path / 'named.tif').write_bytes((tmp_path / 'page.png').read_bytes())
    for path in (
        trap,
        tmp_path / 'named.tif',
        tmp_path / 'page.png',
        tmp_path / 'cells.tif',
        tmp_path / 'map.npy',
    ):
        content = path.read_bytes()
        if len(content) > app.LARGEST:  # of the file itself
            monkeypatch.setattr(app, 'LARGEST', len(content))
        status, detail = refused(address, content, f'large{path.suffix}')
        assert status == 413
        assert detail.startswith(f'large{path.suffix} has so many pixels that it would take ')


def test_two_hundred_images_of_twenty_clients_are_all_answered(address, image):
    content = image.read_bytes()
    with ThreadPoolExecutor(20) as clients:
        names = [f'{i}.png' for i in range(200)]
        found = list(clients.map(lambda name: ask(address, content, name), names))
    assert [each['images'][0]['file_name'] for each in found] == names
    assert all(len(each['annotations']) == 2 for each in found)


def test_more_than_can_wait_are_asked_to_come_again(image, monkeypatch):
    monkeypatch.setattr(app, 'WAITING', 3)
    free = threading.Event()

    class Busy(Found):
        def __call__(self, path):
            free.wait(30)
            return super().__call__(path)

    content = image.read_bytes()
    with served(Busy()) as address, ThreadPoolExecutor(3) as clients:
        answers = [clients.submit(ask, address, content, f'{i}.png') for i in range(3)]
        while health(address)['waiting'] < 3:
            time.sleep(0.01)
        status, detail = refused(address, content, 'late.png')
        free.set()
        assert (status, detail) == (503, '3 images wait already: try again in a moment')
        assert all(answer.result()['annotations'] for answer in answers)
        assert health(address)['waiting'] == 0


def test_who_sends_nothing_is_not_waited_for(address, monkeypatch):
    monkeypatch.setattr(app, 'SLOW', 0.2)
    host, port = urllib.parse.urlsplit(address).netloc.split(':')
    with socket.create_connection((host, int(port))) as line:
        head = f'POST /detect?name=a.png HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 99'
        line.sendall(f'{head}\r\n\r\n'.encode())
        assert b' 408 ' in line.recv(4096)


def health(address):
    with urllib.request.urlopen(f'{address}health') as answer:
        return json.load(answer)


def test_it_says_which_model_and_version_answers(address):
    assert health(address) == dict(
        status='ok', model='best <bolts>.pth', version=__version__, waiting=0
    )
    with urllib.request.urlopen(address) as answer:
        assert f'best &lt;bolts&gt;.pth, mmgreen {__version__}' in answer.read().decode()


def test_a_page_of_another_site_cannot_use_it(image):
    content = image.read_bytes()
    with served(Found(), hosts=['127.0.0.1']) as address:
        own = address.rstrip('/')
        assert ask(address, content, 'a.png', Origin=own)['annotations']
        assert refused(address, content, 'a.png', Origin='http://evil.example') == (
            *(403, 'a page of http://evil.example may not use this one'),
        )
        status, detail = refused(address, content, 'a.png', Host='evil.example:8000')
        assert (status, detail[:46]) == (421, 'this page is not reached as evil.example:8000:')


@pytest.mark.parametrize(
    ('to', 'files'),
    [
        ('cvat', {'annotations.xml', 'labels.json'}),
        ('labelme', {'table.json', 'other.json'}),
    ],
)
def test_what_was_found_can_be_corrected_in_a_labelling_tool(address, image, to, files):
    found = ask(address, image.read_bytes(), 'table.png')
    found['images'].append(dict(found['images'][0], id=2, file_name='other.png'))
    request = urllib.request.Request(
        f'{address}prelabels?to={to}', json.dumps(found).encode(), method='POST'
    )
    with urllib.request.urlopen(request) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert set(archive.namelist()) == files
    text = ''.join(archive.read(name).decode() for name in files)
    assert 'bolt' in text
    assert '8.0' in text
    for content, to, said in (
        (b'{}', 'cvat', 'this is no COCO file of detections'),
        (b'x', 'yolo', 'this is no COCO file of detections'),
        (b'{}', 'paint', 'there is no format paint: choose one of'),
    ):
        request = urllib.request.Request(f'{address}prelabels?to={to}', content, method='POST')
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        assert error.value.code == 400
        assert json.load(error.value)['detail'].startswith(said)


def test_a_password_keeps_others_out(image):
    content, right = image.read_bytes(), base64.b64encode('any:geheim é'.encode()).decode()
    with served(Found(), password='geheim é') as address:
        assert ask(address, content, 'a.png', Authorization=f'Basic {right}')['annotations']
        for given in ({}, dict(Authorization='Basic YTpi'), dict(Authorization='Basic x')):
            assert refused(address, content, 'a.png', **given)[0] == 401
        assert health(address)['status'] == 'ok'


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
    page.select_option('#to', 'cvat')
    with page.expect_download() as corrected:
        page.click('#prelabels')
    assert corrected.value.suggested_filename == 'cvat.zip'
    assert 'annotations.xml' in zipfile.ZipFile(corrected.value.path()).namelist()
    page.select_option('#to', 'labelme')  # whose files are named after images
    page.click('#prelabels')
    page.wait_for_function('document.getElementById("state").textContent')
    assert 'would have one annotation file' in page.text_content('#state')
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
def test_a_folder_can_be_chosen(address, image, browser, tmp_path):
    """Its images, with their folders, and nothing else of it."""
    for name in ('a/one.png', 'b/one.png'):
        (tmp_path / 'mine' / name).parent.mkdir(parents=True)
        shutil.copy(image, tmp_path / 'mine' / name)
    (tmp_path / 'mine/notes.txt').write_text('nothing')
    page = browser.new_context().new_page()
    page.goto(address)
    page.set_input_files('#folder', tmp_path / 'mine')
    page.wait_for_function('document.querySelectorAll("canvas").length == 2')
    said = sorted(page.locator('figcaption').all_text_contents())
    assert said == ['mine/a/one.png: 2 of 2 objects', 'mine/b/one.png: 2 of 2 objects']


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
