"""What the quickstart says at its end; ``.ci/run`` starts it as a user does."""

import json

import pytest

from mmgreen.cli import quickstart


def report(box, mask):
    """What is read of a report in which pre-training wins so much."""
    figures = dict(figures=dict(AP=0.3, AP50=0.5))
    runs = [dict(name=name, bbox=figures, segm=figures) for name in ('none', 'pre-trained')]
    gains = {
        kind: dict(AP=dict(difference=gain, interval=[gain - 0.01, gain + 0.01]))
        for kind, gain in (('bbox', box), ('segm', mask))
    }
    return dict(runs=runs, differences=[gains])


@pytest.mark.parametrize(('box', 'mask', 'fails'), [(0.04, 0.05, False), (0.04, 0.029, True)])
def test_pre_training_that_does_not_win_is_an_error(
    tmp_path, monkeypatch, capsys, box, mask, fails
):
    commands = []

    def run(command, *arguments, **how):
        commands.append([command, *map(str, arguments)])
        if command == 'train':
            work_dir = arguments[arguments.index('--work-dir') + 1]
            work_dir.mkdir()
            (work_dir / 'last_checkpoint').write_text(f'{work_dir}/last.pth')
        if command == 'report':
            out = arguments[arguments.index('--out') + 1]
            out.mkdir()
            (out / 'report.json').write_text(json.dumps(report(box, mask)))

    monkeypatch.setattr(quickstart, 'run', run)
    if fails:
        with pytest.raises(SystemExit, match='less than three points'):
            quickstart.main(['--work-dir', str(tmp_path)])
    else:
        quickstart.main(['--work-dir', str(tmp_path)])
    printed = capsys.readouterr().out
    assert f'{100 * mask:+.1f} points of mask AP (95 % interval' in printed
    # Both detectors are trained alike: their start is all that differs.
    scratch, pretrained = (
        [part for part in command if str(tmp_path) not in part]
        for command in commands
        if command[:2] == ['train', quickstart.DETECT]
    )
    assert scratch == [*pretrained, 'model.backbone.init_cfg=None']
    (start,) = (part for command in commands for part in command if 'init_cfg.checkpoint=' in part)
    assert start == f'model.backbone.init_cfg.checkpoint={tmp_path}/pretrain/last.pth'


def test_a_gain_that_is_not_sure_is_an_error(tmp_path, monkeypatch):
    found = report(0.05, 0.05)
    found['differences'][0]['bbox']['AP']['interval'] = [-0.001, 0.1]

    def run(command, *arguments, **how):
        for name in ('last_checkpoint', 'report.json'):
            for folder in ('pretrain', 'report', 'detect_scratch', 'detect_pretrained'):
                path = tmp_path / folder / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(found))

    monkeypatch.setattr(quickstart, 'run', run)
    with pytest.raises(SystemExit, match='or not surely'):
        quickstart.main(['--work-dir', str(tmp_path)])
