"""Configs of a length that is asked for."""

import pytest
from exports import export

from mmgreen.cli.make_config import main
from mmgreen.config import load_config


@pytest.mark.parametrize(
    'model', ['mask-rcnn_swin-nano', 'greenmim_swin-nano', 'greenmim_swin-tiny']
)
def test_everything_goes_with_the_steps(model, tmp_path, capsys):
    export('labelme', tmp_path / 'mine')
    main(
        [str(tmp_path / 'mine'), '--out', str(tmp_path / 'out'), '--model', model, '--steps', '91']
    )
    (path,) = (p for p in (tmp_path / 'out').glob('*.py') if p.name != 'dataset.py')
    cfg = load_config(path)
    assert cfg.train_cfg.max_iters == 91
    rising, falling = cfg.param_scheduler
    assert rising.end == falling.begin
    assert 1 <= rising.end <= 10
    assert (falling.end, falling.T_max) == (91, 91 - rising.end)
    assert 1 <= cfg.default_hooks.checkpoint.interval <= 23
    if model.startswith('mask'):
        assert 1 <= cfg.train_cfg.val_interval <= 23


def test_minutes_are_steps_of_this_machine(tmp_path, monkeypatch, capsys):
    asked = []

    def steps_in(cfg, minutes):
        asked.append((cfg.train_cfg.max_iters, minutes))
        return 77

    monkeypatch.setattr('mmgreen.apis.steps_in', steps_in)
    export('labelme', tmp_path / 'mine')
    main([str(tmp_path / 'mine'), '--out', str(tmp_path / 'out'), '--minutes', '2.5'])
    assert asked == [(400, 2.5)]
    assert load_config(tmp_path / 'out/detector.py').train_cfg.max_iters == 77
    assert not list(tmp_path.rglob('*.1')), 'what was tried is not left behind'


@pytest.mark.parametrize(
    'option', [['--steps', '0'], ['--minutes', '-1'], ['--steps', '3', '--minutes', '1']]
)
def test_no_time_or_both_are_refused(option, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path), '--out', str(tmp_path / 'out'), *option])
    said = capsys.readouterr().err
    assert 'must be above 0' in said or 'not allowed with' in said
