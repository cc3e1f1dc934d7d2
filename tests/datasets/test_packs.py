"""Packs: what goes in comes out, in any order, from a disk and from a store."""

import http.server
import json
import os
import shutil
import socket
import socketserver
import tarfile
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, run_tool
from mmengine.fileio import get
from mmengine.registry import DefaultScope
from PIL import Image

from mmgreen.config import load_config
from mmgreen.datasets import LabelledDataset, UnlabelledDataset
from mmgreen.datasets.packs import Pack, PackError, check_pack, pack_folder, reading
from mmgreen.engine import prepare_run
from mmgreen.errors import UserError
from mmgreen.images import read_image

PIPELINE = [
    dict(type='mmgreen.LoadRandomCrop', scale=16, crop_ratio_range=(0.5, 1.0)),
    dict(type='PackInputs'),
]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Photographs of three classes, large and small, of several formats, and one that is torn."""
    root = tmp_path_factory.mktemp('photos')
    rng = np.random.default_rng(0)
    for i in range(12):
        side = 80 if i % 2 else 40
        image = Image.fromarray(rng.integers(0, 256, (side, side + 10, 3), np.uint8))
        path = root / 'abc'[i % 3] / f'{i:02d}{(".jpg", ".png", ".webp")[i // 3 % 3]}'
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    torn = root / 'b/torn.jpg'
    torn.write_bytes((root / 'a/00.jpg').read_bytes()[:900])
    return root


@pytest.fixture(scope='module')
def pack(folder, tmp_path_factory):
    """Of that folder, in three shards, short sides of 64 pixels."""
    out = tmp_path_factory.mktemp('pack') / 'train'
    done = pack_folder(folder, out, short_side=64, processes=1, images_per_shard=5)
    assert (done.images, list(done.left_out)) == (12, ['b/torn.jpg'])
    return out


def test_an_image_comes_out_as_it_went_in_or_smaller(folder, pack):
    opened = Pack(str(pack))
    for i, name in enumerate(opened.index.names):
        (source,) = folder.glob(name.rsplit('.', 1)[0] + '.*')
        content = opened.read(i)
        assert get(opened.path(i)) == content
        assert Path(opened.path(i)).parent.name.endswith(f'#{name[0]}')  # its class
        assert read_image(opened.path(i)).shape[2] == 3
        if min(Image.open(source).size) <= 64:
            assert content == source.read_bytes()
            continue
        (pack / 'one').write_bytes(content)
        with Image.open(pack / 'one') as image:
            assert (image.format, image.size) == ('JPEG', (72, 64))
    (pack / 'one').unlink()


def test_tar_alone_reads_it(pack, tmp_path):
    for shard in sorted(pack.glob('*.tar')):
        shutil.unpack_archive(shard, tmp_path)
    images = sorted(p for p in tmp_path.rglob('*.*') if p.suffix != '.cls')
    assert len(images) == 12
    assert {p.with_suffix('.cls').read_text() for p in images if p.parent.name == 'c'} == {'2'}


def test_labels_are_those_of_the_folders(folder, pack):
    opened = Pack(str(pack))
    assert opened.index.classes == ('a', 'b', 'c')
    dataset = LabelledDataset(data_root=str(pack), pipeline=PIPELINE)
    for i, name in enumerate(opened.index.names):
        assert int(dataset[i]['data_samples'].gt_label) == 'abc'.index(name[0])


def test_a_run_trains_on_it_as_on_a_folder(folder, pack, tmp_path):
    """The same images, whatever the order, from worker processes."""
    dataset = UnlabelledDataset(data_root=str(pack.parent), data_prefix='train', pipeline=PIPELINE)
    loader = torch.utils.data.DataLoader(dataset, 4, num_workers=2, collate_fn=list)
    shapes = [sample['inputs'].shape for batch in loader for sample in batch]
    assert shapes == [(3, 16, 16)] * 12

    cfg = load_config(ROOT / 'configs/quickstart/green-swin-nano_imagenette.py')
    for split in ('train', 'val'):
        cfg[f'{split}_dataloader'].dataset.update(data_root=str(pack.parent), data_prefix='train')
    cfg.work_dir, cfg.model.backbone.init_cfg = str(tmp_path), None
    prepare_run(cfg, 'train')
    assert cfg.model.head.num_classes == 3


def test_an_interrupted_call_is_gone_on_with(folder, pack, tmp_path, monkeypatch):
    """The shards that are there are kept, and the pack is the same in the end."""
    from mmgreen.datasets.packs import writing

    real, calls = writing._write_shard, []

    def write(*args):
        calls.append(args[-2])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    class InProcess:
        """A pool of this process, in which the test counts."""

        def __init__(self, processes):
            self.map = map

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *error: None  # noqa: E731

    monkeypatch.setattr(writing, 'ProcessPoolExecutor', InProcess)
    monkeypatch.setattr(writing, '_write_shard', write)
    settings = dict(short_side=64, images_per_shard=5)
    with pytest.raises(KeyboardInterrupt):
        pack_folder(folder, tmp_path, **settings)
    with pytest.raises(UserError, match='was started from other images or with other settings'):
        pack_folder(folder, tmp_path, short_side=32, images_per_shard=5)
    written = (tmp_path / 'shard-00000.tar').stat().st_mtime_ns
    pack_folder(folder, tmp_path, **settings)
    assert (tmp_path / 'shard-00000.tar').stat().st_mtime_ns == written
    for name in ('pack.json', 'members.npz', 'shard-00002.tar', 'left_out.txt'):
        assert (tmp_path / name).read_bytes() == (pack / name).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in pack.iterdir())
    with pytest.raises(UserError, match='is a pack already'):
        pack_folder(folder, tmp_path, **settings)


def damage(folder, kind):
    shard = folder / 'shard-00001.tar'
    if kind == 'torn':
        shard.write_bytes(shard.read_bytes()[:-600])
    elif kind == 'missing':
        shard.unlink()
    elif kind == 'changed':
        content = bytearray(shard.read_bytes())
        content[700] ^= 255
        shard.write_bytes(content)
    elif kind == 'members':
        (folder / 'members.npz').write_bytes(b'PK')
    else:
        said = json.loads((folder / 'pack.json').read_text())
        (folder / 'pack.json').write_text(
            json.dumps(said | dict(version=9)) if kind == 'version' else '{'
        )


@pytest.mark.parametrize(
    ('kind', 'words'),
    [
        ('torn', r'shard .*shard-00001.tar has \d+ of \d+ bytes: copy the pack again'),
        ('missing', r'shard .*shard-00001.tar is missing'),
        ('changed', r'shard .*shard-00001.tar has changed'),
        ('members', r'members.npz is damaged or belongs to another pack'),
        ('version', r'is a pack of version 9, and this mmgreen reads version 1'),
        ('index', r'pack.json is not the index of a pack'),
    ],
)
def test_what_is_wrong_with_a_pack_is_said(pack, tmp_path, kind, words):
    copy = tmp_path / 'copy'
    shutil.copytree(pack, copy)
    damage(copy, kind)
    with pytest.raises(UserError, match=words):
        check_pack(copy)


def test_the_tool_packs_and_checks(folder, tmp_path):
    out = tmp_path / 'pack'
    done = run_tool('tools/datasets/pack.py', folder, '--out', out, '--processes', 1)
    assert done.returncode == 0, done.stderr
    assert '12 images, 0 MiB' in done.stdout
    assert 'left out: b/torn.jpg (OSError: ' in done.stdout
    assert (
        '\n'.join(done.stdout.splitlines()[-1:])
        in run_tool('tools/datasets/pack.py', out, '--check').stdout
    )
    done = run_tool('tools/datasets/pack.py', tmp_path / 'nothing', '--out', tmp_path / 'x')
    assert (done.returncode, 'nothing does not exist' in done.stderr) == (1, True)
    assert not (tmp_path / 'x').exists()


@pytest.fixture(scope='module')
def store(pack):
    """An S3 server of this machine that has the pack, and its address."""
    server_module = pytest.importorskip('moto.server')
    boto3 = pytest.importorskip('boto3')
    pytest.importorskip('s3fs')
    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f'http://127.0.0.1:{port}'
    client = boto3.client(
        's3',
        endpoint_url=endpoint,
        region_name='us-east-1',
        aws_access_key_id='key',
        aws_secret_access_key='secret',
    )
    client.create_bucket(Bucket='images')
    for path in pack.iterdir():
        client.upload_file(str(path), 'images', f'pack/train/{path.name}')
    yield endpoint
    server.stop()


class Dropping(http.server.BaseHTTPRequestHandler):
    """Passes requests on to a store, and breaks some answers off in the middle."""

    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        server = self.server
        request = urllib.request.Request(server.store + self.path, method=self.command)
        for key in ('Range', 'Authorization', 'x-amz-date', 'x-amz-content-sha256'):
            if key in self.headers:
                request.add_header(key, self.headers[key])
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        content = answer.read()
        self.send_response(answer.status)
        for key in ('Content-Type', 'Content-Range', 'ETag', 'Last-Modified', 'Content-Length'):
            if answer.headers[key] is not None:
                self.send_header(key, answer.headers[key])
        self.end_headers()
        shard = self.command == 'GET' and self.path.endswith('.tar')
        server.asked += shard
        if shard and server.asked in server.broken:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.command == 'GET':
            self.wfile.write(content)


@pytest.fixture
def proxy(store, monkeypatch):
    """That server behind a connection that breaks; ``broken`` says at which reads of a shard."""
    import s3fs

    server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Dropping)
    server.daemon_threads = True
    server.store, server.asked, server.broken = store, 0, ()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv('AWS_ENDPOINT_URL', f'http://127.0.0.1:{server.server_address[1]}')
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'key')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    monkeypatch.setattr(reading, 'WAIT', 0.01)
    reading._opened.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()  # of another server
    yield server
    reading._opened.cache_clear()
    server.shutdown()
    server.server_close()


def test_a_store_serves_it_and_a_connection_may_break(pack, proxy):
    dataset = UnlabelledDataset(data_root='s3://images/pack', data_prefix='train', pipeline=[])
    proxy.broken = range(3, 6)
    opened = Pack(str(pack))
    for i in range(len(dataset)):
        assert get(dataset[i]['img_path']) == opened.read(i)
    assert proxy.asked > 12


def test_a_store_that_is_gone_is_said(proxy, monkeypatch):
    monkeypatch.setattr('mmgreen.datasets.packs.reading.WAIT', 0.01)
    dataset = UnlabelledDataset(
        data_root='s3://images/pack', data_prefix='train', pipeline=PIPELINE
    )
    proxy.broken = range(10**6)
    with pytest.raises(PackError, match='does not answer .* asked 5 times'):
        dataset[0]
    with pytest.raises(PackError, match='there is no s3://images/other/train/pack.json'):
        UnlabelledDataset(data_root='s3://images/other', data_prefix='train', pipeline=[])


def test_two_images_of_one_name_are_two_samples(tmp_path):
    """Readers of tars take members of one name, but for the ending, for one sample."""
    for i, ending in enumerate(('jpg', 'png', 'webp')):
        picture = np.full((20, 20, 3), 80 * i, np.uint8)
        (tmp_path / 'photos/a').mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f'photos/a/x.{ending}')
    pack_folder(tmp_path / 'photos', tmp_path / 'pack', processes=1)
    with tarfile.open(next((tmp_path / 'pack').glob('*.tar'))) as tar:
        images = [name for name in tar.getnames() if not name.endswith('.cls')]
    assert len({name.split('.')[0] for name in images}) == 3
    opened = Pack(str(tmp_path / 'pack'))
    shades = {int(read_image(opened.path(i)).mean()) // 10 for i in range(3)}
    assert shades == {0, 8, 16}


def test_no_more_than_some_shards_are_open(folder, tmp_path, monkeypatch):
    pack_folder(folder, tmp_path / 'pack', processes=1, images_per_shard=2)
    monkeypatch.setattr(reading, 'MOST_OPEN', 2)
    opened = Pack(str(tmp_path / 'pack'))
    before = len(os.listdir('/proc/self/fd'))
    contents = [opened.read(i) for i in range(len(opened))]
    assert len(os.listdir('/proc/self/fd')) <= before + 2
    assert contents == [opened.read(i) for i in range(len(opened))]
