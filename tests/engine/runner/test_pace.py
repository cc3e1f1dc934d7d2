"""How long a run takes is measured before it, and said."""

import re
from types import SimpleNamespace

import pytest
from toy import said, toy_config, train

from mmgreen.apis import steps_in
from mmgreen.config import set_steps
from mmgreen.engine.runner import pace
from mmgreen.errors import UserError


def toy(folder, **more):
    return toy_config(folder, by_epoch=False, interval=100, **more)


def test_minutes_become_steps_and_leave_nothing_behind(tmp_path, monkeypatch, capsys):
    # A step takes a second and a half, the first ones an hour.
    clock = iter([0.0, 3600.0, *(3600 + 1.5 * i for i in range(1, 100))])
    monkeypatch.setattr(pace, 'time', SimpleNamespace(perf_counter=lambda: next(clock)))
    cfg = toy(tmp_path / 'run')
    before = cfg.dump()
    assert steps_in(cfg, 2) == 80
    assert cfg.dump() == before
    assert not (tmp_path / 'run').exists()
    assert '2 minutes are 80 steps of 1.5 s (--steps 80 repeats it)' in capsys.readouterr().out


def test_a_run_in_epochs_has_no_minutes(tmp_path):
    with pytest.raises(UserError, match='counts its run in epochs'):
        steps_in(toy_config(tmp_path, by_epoch=True, interval=1), 2)


def test_a_run_says_what_it_is_and_how_long_it_will_take(tmp_path, capfd):
    cfg = toy(tmp_path)
    cfg.log_level = 'INFO'
    set_steps(cfg, 40)
    train(cfg)
    shown = capfd.readouterr()
    shown = shown.out + shown.err
    assert 'start    from scratch\n  data     14 images\n  length   40 steps of 2 images' in shown
    assert f'results  {tmp_path}; config and environment: ' in shown
    # On a terminal, what a person needs; in the file, all.
    for words in ('System environment:', 'Config:', 'Hooks will be executed'):
        assert words not in shown
        assert words in said(tmp_path)
    assert re.search(r'28 more steps of [\d.e-]+ s: about 0:00:\d\d$', said(tmp_path), re.MULTILINE)
