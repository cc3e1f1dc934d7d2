"""What stands in the way of several processes is said."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmgreen.engine import PreemptionHook
from mmgreen.engine.hooks import preemption_hook
from mmgreen.errors import UserError


def test_a_name_that_stands_for_the_loopback_address(monkeypatch):
    def fail(**kwargs):
        raise RuntimeError('Gloo connectFullMesh failed with no error\nframe #0: ...')

    monkeypatch.setattr(preemption_hook, 'get_world_size', lambda: 2)
    monkeypatch.setattr(preemption_hook.dist, 'new_group', fail)
    hook = PreemptionHook()
    try:
        with pytest.raises(
            UserError, match=r'set GLOO_SOCKET_IFNAME .* \(Gloo connectFullMesh'
        ) as said:
            hook.before_train(SimpleNamespace(cfg=Config()))
        assert 'frame' not in str(said.value)
    finally:
        hook.give_back()
