"""What the quickstart says at its end; ``.ci/run`` starts it as a user does."""

import json
import runpy
import sys

import pytest
from helpers import ROOT


def report(box, mask):
    """What is read of a report in which pre-training wins so much."""
    figures = dict(figures=dict(AP=0.3, AP50=0.5))
    runs = [dict(name=name, bbox=figures, segm=figures) for name in ('none', 'pre-trained')]
    gains = {
        kind: dict(AP=dict(difference=gain, interval=[gain - 0.01, gain + 0.01]))
        for kind, gain in (('bbox', box), ('segm', mask))
    }
    return dict(runs=runs, differences=[gains])


@pytest.mark.parametrize(('box', 'mask', 'fails'), [(0.03, 0.05, False), (0.03, 0.019, True)])
def test_pre_training_that_does_not_win_is_an_error(
    tmp_path, monkeypatch, capsys, box, mask, fails
):
    quickstart = runpy.run_path(str(ROOT / 'tools/quickstart.py'))
    commands = []

    def run(*command, stdout=None):
        commands.append([str(part) for part in command])
        if 'tools/train.py' in command:
            work_dir = command[command.index('--work-dir') + 1]
            work_dir.mkdir()
            (work_dir / 'last_checkpoint').write_text(f'{work_dir}/last.pth')
        if 'tools/analysis/coco_report.py' in command:
            out = command[command.index('--out') + 1]
            out.mkdir()
            (out / 'report.json').write_text(json.dumps(report(box, mask)))

    main = quickstart['main']
    monkeypatch.setitem(main.__globals__, 'run', run)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(sys, 'argv', ['quickstart.py', '--work-dir', str(tmp_path)])
    if fails:
        with pytest.raises(SystemExit, match='less than two points'):
            main()
    else:
        main()
    said = capsys.readouterr().out
    assert f'{100 * mask:+.1f} points of mask AP (95 % interval' in said
    # Both detectors are trained alike: their start is all that differs.
    scratch, pretrained = (
        [part for part in command if str(tmp_path) not in part]
        for command in commands
        if 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py' in command
        and 'tools/train.py' in command
    )
    assert scratch == [*pretrained, 'model.backbone.init_cfg=None']
    (start,) = (part for command in commands for part in command if 'init_cfg.checkpoint=' in part)
    assert start == f'model.backbone.init_cfg.checkpoint={tmp_path}/pretrain/last.pth'
