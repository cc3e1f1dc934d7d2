"""The notebook runs, on a CPU: training included, on fewer images than it draws for a reader."""

import nbformat
import pytest
from helpers import ROOT
from nbclient import NotebookClient

pytestmark = pytest.mark.slow
#: What is shorter here than for readers.
SHORTER = {
    "'--train', 160, '--val', 40, ": "'--train', 40, '--val', 8, ",
    "'train_cfg.max_epochs': 40": "'train_cfg.max_epochs': 20",
    "'train_cfg.max_epochs': 8": "'train_cfg.max_epochs': 2",
}


def test_the_walkthrough_runs_from_beginning_to_end():
    notebook = nbformat.read(ROOT / 'docs/walkthrough.ipynb', as_version=4)
    committed = ''.join(text_of(cell) for cell in notebook.cells)
    assert str(ROOT) not in committed  # outputs show no machine
    for words, fewer in SHORTER.items():
        (cell,) = (cell for cell in notebook.cells if words in cell.source)
        cell.source = cell.source.replace(words, fewer)
    client = NotebookClient(
        notebook, timeout=900, kernel_name='python3', resources=dict(metadata=dict(path=ROOT))
    )
    client.execute()
    printed = ''.join(text_of(cell) for cell in notebook.cells)
    loss = [float(word) for word in printed.split('loss from ')[1].split()[:3:2]]
    assert loss[1] < 0.8 * loss[0]
    assert (ROOT / printed.split('report: ')[1].split()[0]).is_file()
    pictures = [o for cell in notebook.cells for o in outputs_of(cell) if 'image/png' in data(o)]
    assert len(pictures) == 2


def outputs_of(cell):
    return cell.get('outputs', [])


def data(output):
    return output.get('data', {})


def text_of(cell):
    """What a cell printed."""
    return ''.join(str(o.get('text', '')) + str(data(o)) for o in outputs_of(cell))
