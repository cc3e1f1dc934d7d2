"""Numbers of a step come back together, wherever they were computed."""

import pytest
import torch

from mmgreen.engine.hooks.readback import Readback


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_numbers_of_the_device_and_of_the_host(device):
    if device == 'cuda' and not torch.cuda.is_available():
        pytest.skip('needs a GPU')
    queue = Readback()
    queue.put('step', [torch.tensor(1), torch.tensor([2.5], device=device)])
    assert list(queue.take(everything=True)) == [('step', [1.0, 2.5])]
