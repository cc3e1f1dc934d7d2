"""What a training takes of its process, it gives back: signals, also where it fails."""

import signal

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from toy import toy_config, train

from mmgreen.engine.hooks import run_record_hook
from mmgreen.engine.hooks.preemption_hook import SIGNALS


@HOOKS.register_module()
class Fail(Hook):
    def __init__(self, kind):
        self.kind = kind

    def after_train_iter(self, *args, **kwargs):
        raise self.kind


@pytest.mark.parametrize('kind', [None, RuntimeError, KeyboardInterrupt])
def test_signals_do_again_what_they_did(tmp_path, kind):
    before = [signal.getsignal(number) for number in SIGNALS]
    cfg = toy_config(tmp_path)
    if kind is None:
        train(cfg)
    else:
        cfg.custom_hooks = [dict(type='Fail', kind=kind)]
        with pytest.raises(kind):
            train(cfg)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_memory_is_asked_for_once_a_line_of_the_log(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(run_record_hook, '_memory', lambda: asked.append(0) or 123.0)
    cfg = toy_config(tmp_path, interval=100)
    cfg.default_hooks.logger.interval = 3
    train(cfg)
    # Two epochs of seven steps with lines after 3, 6 and 7; the record is written at the end.
    assert len(asked) <= 2 * 3 + 3
