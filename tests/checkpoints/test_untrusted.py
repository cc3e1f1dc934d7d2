"""A checkpoint that would run code, given to every way in."""

import pathlib

import pytest
import torch
from helpers import Malicious, run_tool
from mmengine.runner.checkpoint import CheckpointLoader

import mmgreen.checkpoints  # noqa: F401
from mmgreen.apis import detect, evaluate, finetune, pretrain, reconstruct
from mmgreen.errors import UserError

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
CLASSIFY = 'configs/quickstart/green-swin-nano_imagenette.py'


@pytest.fixture
def bad(tmp_path):
    """The checkpoint, as a work dir of its own, too; at the end no file was created."""
    work_dir = tmp_path / 'work'
    work_dir.mkdir()
    path = work_dir / 'epoch_1.pth'
    parts = dict.fromkeys(('meta', 'optimizer', 'message_hub'), {})
    torch.save(parts | dict(state_dict={}, trap=Malicious(tmp_path / 'trapped')), path)
    (work_dir / 'last_checkpoint').write_text(str(path))
    yield path
    assert not (tmp_path / 'trapped').exists()
    with pytest.raises(Exception, match=r'.*'):  # it would have worked
        torch.load(path, weights_only=True)
    torch.load(path, weights_only=False)
    assert (tmp_path / 'trapped').exists()


TOOLS = {
    'init_cfg': ('train.py', DETECT, '--cfg-options', 'data_root={demo}/')
    + ('model.backbone.init_cfg.type=Pretrained', 'model.backbone.init_cfg.checkpoint={bad}'),
    'load_from': ('train.py', PRETRAIN, '--cfg-options', 'data_root={demo}/', 'load_from={bad}')
    + ('work_dir={bad}.work',),
    'resume': ('train.py', PRETRAIN, '--resume', '{bad}', '--cfg-options', 'data_root={demo}/')
    + ('work_dir={bad}.work',),
    'resume auto': ('train.py', PRETRAIN, '--work-dir', '{bad.parent}', '--resume')
    + ('--cfg-options', 'data_root={demo}/'),
    'test': ('test.py', DETECT, '{bad}', '--cfg-options', 'data_root={demo}/')
    + ('work_dir={bad}.work',),
    'converter': ('converters/convert_checkpoint.py', '{bad}', '{bad}.converted.pth'),
    'reconstruction': ('analysis/show_reconstruction.py', PRETRAIN, '{bad}')
    + ('{image}', '--out', '{bad}.png'),
}


@pytest.mark.parametrize('way', TOOLS)
def test_tools_refuse_it(demo, bad, way):
    image = next(demo.glob('val/*.jpg'))
    tool, *rest = (part.format(demo=demo, bad=bad, image=image) for part in TOOLS[way])
    done = run_tool(f'tools/{tool}', *rest)
    assert done.returncode == 1
    assert 'holds pickled objects besides weights' in done.stderr, done.stderr
    assert '--allow-pickle' in done.stderr


@pytest.mark.parametrize(
    'read',
    [
        lambda bad, demo: pretrain(PRETRAIN, bad.parent, dict(data_root=f'{demo}/'), resume=True),
        lambda bad, demo: finetune(DETECT, bad, bad.parent / 'w', dict(data_root=f'{demo}/')),
        lambda bad, demo: evaluate(DETECT, bad, bad.parent / 'w', dict(data_root=f'{demo}/')),
        lambda bad, demo: reconstruct(PRETRAIN, bad, next(demo.glob('val/*.jpg'))),
        lambda bad, demo: detect(DETECT, bad, next(demo.glob('val/*.jpg'))),
    ],
    ids=['pretrain', 'finetune', 'evaluate', 'reconstruct', 'detect'],
)
def test_the_python_interface_refuses_it(demo, bad, read):
    with pytest.raises(UserError, match='holds pickled objects besides weights'):
        read(bad, demo)


def test_the_nearest_neighbour_tool_refuses_it(imagenette, bad):
    done = run_tool(
        *('tools/analysis/knn.py', CLASSIFY, '--cfg-options', f'data_root={imagenette}/'),
        f'model.backbone.init_cfg.checkpoint={bad}',
    )
    assert done.returncode == 1
    assert 'holds pickled objects besides weights' in done.stderr, done.stderr


def test_reports_read_no_pickled_results(bad, tmp_path):
    results = bad.rename(bad.with_suffix('.pkl'))
    try:
        done = run_tool('tools/analysis/coco_report.py', results, '--out', tmp_path / 'report')
        assert done.returncode == 1
        assert 'holds pickled objects, which can run code' in done.stderr, done.stderr
    finally:
        results.rename(bad)


def test_addresses_are_refused_like_files(bad, monkeypatch, tmp_path):
    """mmengine's readers of http, and of its model zoo, which come to the same."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))

    def download(url, path, **kwargs):
        pathlib.Path(path).write_bytes(bad.read_bytes())

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    for address in ('https://example.org/a.pth', 'http://example.org/b.pth'):
        with pytest.raises(UserError, match='holds pickled objects'):
            CheckpointLoader.load_checkpoint(address)


def test_stores_are_refused_like_files(bad, monkeypatch):
    import io

    import mmengine.runner.checkpoint as theirs

    class Store:
        def get(self, name):
            return bad.read_bytes()

    monkeypatch.setattr(theirs, 'get_file_backend', lambda *args, **kwargs: Store())
    with pytest.raises(UserError, match='from a remote store holds pickled objects'):
        CheckpointLoader.load_checkpoint('s3://bucket/a.pth')
    with pytest.raises(UserError, match='holds pickled objects'):
        theirs._safe_torch_load(io.BytesIO(bad.read_bytes()))
