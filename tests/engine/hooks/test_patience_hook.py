"""A silent process is waited for where others may be slow, and not in a step."""

from forked import Forked
from helpers import ROOT


def test_a_silent_process_is_given_up_sooner_in_a_step(tmp_path):
    logs = [tmp_path / f'{rank}.log' for rank in (0, 1)]
    script = ROOT / 'tests/engine/hooks/one_silent.py'
    processes = [
        Forked([str(script), str(tmp_path), str(rank)], log, log, ROOT)
        for rank, log in enumerate(logs)
    ]
    for process in processes:
        process.wait(timeout=60)
    said = logs[0].read_text().splitlines()
    assert said[:3] == ['first step met', 'second step met', 'validation met']
    assert said[3].startswith('last step given up:')
    assert len(said) == 4
