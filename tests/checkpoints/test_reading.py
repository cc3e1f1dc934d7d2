"""Checkpoints are read without running code."""

import os
from argparse import Namespace

import numpy as np
import pytest
import torch
from helpers import Malicious
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from safetensors.torch import save_file

from mmgreen.checkpoints import ALLOW_PICKLE, read_checkpoint
from mmgreen.engine import PlainCheckpointHook
from mmgreen.errors import UserError


@pytest.fixture
def malicious(tmp_path):
    torch.save({'state_dict': {}, 'trap': Malicious(tmp_path / 'trapped')}, tmp_path / 'bad.pth')
    return tmp_path / 'bad.pth'


def test_weights_are_read(tmp_path):
    torch.save({'state_dict': {'a': torch.ones(2)}, 'args': Namespace(lr=1)}, tmp_path / 'c.pth')
    checkpoint = read_checkpoint(str(tmp_path / 'c.pth'))
    assert torch.equal(checkpoint['state_dict']['a'], torch.ones(2))
    assert checkpoint['args'].lr == 1


@pytest.mark.parametrize(
    'read',
    [
        lambda path: read_checkpoint(path),
        # mmengine's own loader falls back to running the code
        lambda path: load_checkpoint(torch.nn.Linear(1, 1), path),
    ],
)
def test_pickled_code_is_refused_and_not_run(malicious, read):
    with pytest.raises(UserError, match=r'bad.pth holds pickled objects .* --allow-pickle'):
        read(str(malicious))
    assert not (malicious.parent / 'trapped').exists()


def test_pickled_code_is_read_where_the_user_says_so(malicious, monkeypatch):
    monkeypatch.setenv(ALLOW_PICKLE, '1')
    assert 'trap' in read_checkpoint(str(malicious))
    assert (malicious.parent / 'trapped').exists()


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.99])
def test_a_torn_file_is_named(tmp_path, share):
    torch.save({'state_dict': {'a': torch.ones(1000)}}, tmp_path / 'c.pth')
    content = (tmp_path / 'c.pth').read_bytes()
    (tmp_path / 'c.pth').write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r'c.pth is truncated or not a checkpoint'):
        read_checkpoint(str(tmp_path / 'c.pth'))


def test_safetensors_are_read(tmp_path):
    save_file({'a': torch.ones(2)}, tmp_path / 'c.safetensors')
    assert torch.equal(read_checkpoint(str(tmp_path / 'c.safetensors'))['a'], torch.ones(2))
    content = (tmp_path / 'c.safetensors').read_bytes()
    (tmp_path / 'c.safetensors').write_bytes(content[:-4])
    with pytest.raises(UserError, match=r'c.safetensors is truncated or not a checkpoint'):
        read_checkpoint(str(tmp_path / 'c.safetensors'))


def test_what_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / 'c.pth').write_text('hello')
    with pytest.raises(UserError, match='not a checkpoint'):
        read_checkpoint(str(tmp_path / 'c.pth'))
    torch.save(torch.ones(2), tmp_path / 't.pth')
    with pytest.raises(UserError, match='holds no dict but a Tensor'):
        read_checkpoint(str(tmp_path / 't.pth'))
    with pytest.raises(UserError, match=r'none.pth does not exist'):
        read_checkpoint(str(tmp_path / 'none.pth'))


def test_logging_history_is_saved_without_pickle_and_comes_back(tmp_path):
    hub = dict(
        log_scalars={'train/loss': HistoryBuffer([3.0, 2.5, 1.0], [1, 1, 2])},
        runtime_info={'iter': np.int64(7), 'grid': np.arange(3), 'names': ('a', 'b')},
        resumed_keys={'train/loss': True},
    )
    checkpoint = dict(state_dict={'a': torch.ones(1)}, message_hub=hub)
    PlainCheckpointHook().before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, tmp_path / 'c.pth')
    os.environ.pop(ALLOW_PICKLE, None)
    loaded = read_checkpoint(str(tmp_path / 'c.pth'))
    PlainCheckpointHook().after_load_checkpoint(None, loaded)
    buffer = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(buffer, HistoryBuffer)
    assert buffer.data[0].tolist() == [3.0, 2.5, 1.0]
    assert buffer.data[1].tolist() == [1, 1, 2]
    buffer.update(0.5)
    assert buffer.mean(2) == pytest.approx(1.5 / 3)
    assert loaded['message_hub']['runtime_info']['iter'] == 7
    assert loaded['message_hub']['runtime_info']['names'] == ('a', 'b')
