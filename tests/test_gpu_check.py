"""The table of what a GPU has shown, and parts that go on where they were."""

import json

import gpu_check
import pytest

ROWS = [
    dict(step=dict(median=0.03), busy=0.028, kernels=1700),
    dict(step=dict(median=0.091)),
]


def test_a_part_that_is_done_is_not_run_again(tmp_path, monkeypatch, capsys):
    printed = "print('MEASURED 5 waits'); print('=== 3 passed ===')"
    parts = {
        'done': gpu_check.Part('a', ()),
        'tests': gpu_check.Part('all pass', ('-c', printed)),
        'hangs': gpu_check.Part('b', ('-c', 'import time; print(1, flush=True); time.sleep(60)')),
    }
    (tmp_path / 'done.done').write_text(json.dumps(dict(found='as before', seconds=7)))
    monkeypatch.setattr(gpu_check, 'PARTS', parts)
    monkeypatch.setattr(gpu_check, 'MOST', 3)
    gpu_check.main(['--folder', str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert '| done | a | as before | 7 |' in lines
    assert any(line.startswith('| tests | all pass | 5 waits; 3 passed | ') for line in lines)
    assert any(line.startswith('| hangs | b | not done in 3 s. 1 | ') for line in lines)
    gpu_check.main(['--folder', str(tmp_path)])
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(parts)


def test_milliseconds_and_how_busy_it_was():
    assert gpu_check.measured('', ROWS) == '30.0, 91.0 ms; busy 93%; 1,700 kernels'


@pytest.mark.parametrize('part', gpu_check.PARTS.values(), ids=gpu_check.PARTS)
def test_what_parts_name_is_there(part):
    files = [w for w in part.command if w.startswith(('configs/', 'tests/'))]
    assert all((gpu_check.ROOT / name).is_file() for name in files)
