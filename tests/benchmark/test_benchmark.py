"""The benchmark: figures of any config, side by side."""

import json
import re

import numpy as np
import pytest
from helpers import run_tool
from PIL import Image

from mmgreen.benchmark import loading_table, measure_loading, read_subjects

BENCHMARK = 'tools/analysis/benchmark.py'
NANO = 'configs/quickstart/greenmim_swin-nano_demo.py'
IN_STEPS = 'configs/own_data/greenmim_swin-nano_b32-4k_own-data.py'
OWN = 'configs/own_data/greenmim_swin-tiny-w7_b128-amp-10k_own-data.py'
DETECTOR = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
SIMMIM = 'mmpretrain::simmim/simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py'


@pytest.fixture(scope='module')
def report(tmp_path_factory, demo):
    """What was printed, and the figures: GreenMIM and its floor, SimMIM, another grouping, a detector.

    Ten processes that measure one after the other: half a minute.
    """
    folder = tmp_path_factory.mktemp('benchmark')
    done = run_tool(
        *(BENCHMARK, NANO, SIMMIM, 'model.backbone.arch=tiny', 'model.neck.in_channels=768'),
        *(NANO, 'model.backbone.grouping=pad', 'model.mask_sharing=sample'),
        *(DETECTOR, f'data_root={demo}/'),
        *('--batch-size', 4, '--steps', 2, '--rounds', 2, '--floor', '--profile', '--launches'),
        *('--devices', 8),
        *('--out', folder / 'figures.json', '--plot', folder / 'bars.png'),
    )
    assert done.returncode == 0, done.stderr
    assert (folder / 'bars.png').read_bytes().startswith(b'\x89PNG')
    return done, json.loads((folder / 'figures.json').read_text())


def test_every_config_has_its_row(report, demo):
    done, figures = report
    names = [row['name'] for row in figures['rows']]
    assert names == [
        'greenmim_swin-nano_demo',
        'floor of greenmim_swin-nano_demo',
        'simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px arch=tiny in_channels=768',
        'greenmim_swin-nano_demo grouping=pad mask_sharing=sample',
        f'mask-rcnn_green-swin-nano_fpn_demo data_root={demo}/',
    ]
    cells = [line.split('|')[1].strip() for line in done.stdout.splitlines() if '|' in line]
    assert cells[2:] == names  # below the heading and its rule
    assert done.stderr.count('round 1/2') == done.stderr.count('round 2/2') == 5
    assert 'linear layers' in done.stdout
    assert 'kernels launched, and GB moved, a step: forward ' in done.stdout


def test_days_are_epochs_of_imagenet_at_the_measured_speed(report):
    done, figures = report
    green, floor, simmim, *_ = figures['rows']
    rows = [line.split('|') for line in done.stdout.splitlines() if line.startswith('|')]
    assert rows[0][-2].strip() == 'days on 8'
    days = [row[-2].strip() for row in rows[2:]]
    assert days[1] == ''  # the floor learns nothing
    for said, row, epochs in ((days[0], green, 40), (days[2], simmim, 100)):
        assert row['epochs'] == epochs
        images_per_second = 8 * 4 / row['step']['median']
        wanted = epochs * 1281167 / images_per_second / 86400
        assert float(said) == pytest.approx(wanted, rel=0.01, abs=0.01)


def test_figures_make_sense(report):
    _, figures = report
    green, floor, simmim, padded, detector = figures['rows']
    for row in figures['rows']:
        assert len(row['times']) == 4
        assert row['step']['min'] <= row['step']['median'] <= row['step']['max']
        assert 0 < row['activations'] < row['peak']
    assert green['time_ratio'] == green['activation_ratio'] == 1
    # Fewer tokens, less work: 9 of 36 units are visible, and SimMIM computes all.
    assert simmim['flops'] > 2 * green['flops']
    assert padded['flops'] > green['flops']
    assert floor['parameters'] == green['parameters']
    assert padded['grouping']['padding'] > green['grouping']['padding']
    assert padded['grouping']['pairs'] > green['grouping']['pairs']
    assert simmim['mask_seconds'] > 0
    assert figures['machine']['batch_size'] == 4
    launches = {phase: found['kernels'] for phase, found in green['launches'].items()}
    assert launches['optimizer'] < 10  # two groups, fused
    assert 100 < launches['forward'] < launches['backward'] < 3000
    assert 'launches' not in simmim
    assert detector['parameters'] > green['parameters']
    assert detector['image_size'] == 192
    assert detector['epochs'] is None  # of ImageNet
    assert detector['mask_seconds'] is None


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['absent.py'], 'config file absent.py does not exist'),
        (['a=1', NANO], 'a=1 comes before any config'),
        (['mmpretrain::absent.py'], 'config file mmpretrain::absent.py cannot be read'),
        (
            ['configs/own_data/semi_mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'],
            'neither pre-trains nor trains a detector',
        ),
        ([DETECTOR, 'image_size=64'], 'image_size is for pre-training'),
        ([DETECTOR, 'data_root=absent/'], 'absent/'),
        ([NANO, 'model.backbone.grouping=best'], "grouping 'best' is unknown"),
    ],
)
def test_what_cannot_be_measured_is_explained(words, message):
    done = run_tool(BENCHMARK, *words, '--rounds', 1, '--steps', 1)
    assert done.returncode == 1
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_full_step_has_an_optimizer_too(tmp_path):
    options = ('--batch-size', 2, '--steps', 1, '--rounds', 1, '--out', tmp_path / 'figures.json')
    done = run_tool(BENCHMARK, IN_STEPS, *options, '--step', 'full')
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['machine']['step'] == 'full'
    assert figures['rows'][0]['step']['median'] > 0
    done = run_tool(BENCHMARK, NANO, *options, '--step', 'full', '--amp', 'fp16', '--device', 'cpu')
    assert done.returncode == 1
    assert 'a CPU trains in bfloat16 or in float32' in done.stderr


def test_images_of_a_core(tmp_path):
    """Shares are of one whole; a core's rate says how many cores a rate wants."""
    photos = tmp_path / 'unlabelled'
    photos.mkdir()
    # So large that what else the machine does is little beside decoding them.
    noise = np.random.default_rng(0).integers(0, 256, (6, 1200, 1600, 3), np.uint8)
    for i, image in enumerate(noise):
        Image.fromarray(image).save(photos / f'{i}.jpg')
    (tmp_path / 'val').mkdir()
    subjects = read_subjects([OWN, f'data_root={tmp_path}/', 'train_dataloader.batch_size=4'])
    subjects += read_subjects(
        [
            OWN,
            f'data_root={tmp_path}/',
            'train_dataloader.batch_size=4',
            'train_dataloader.repeats=2',
        ]
    )
    rows = measure_loading(subjects, rounds=2, images=8)
    assert [row['name'].split()[-1] for row in rows] == [
        *('batch_size=4', 'repeats=2'),
        *('pipeline', 'pipeline'),  # of mmpretrain and of the authors
    ]
    for row in rows:
        turns = np.reshape(row['batch_seconds'], (2, 2)).sum(1)  # two batches in each
        assert row['rates'] == pytest.approx(8 / turns)
        assert all(0 < share < 1 for share in row['shares'].values())
        assert sum(row['shares'].values()) == pytest.approx(1)
        assert row['shares']['decoding'] > 0.1

    measured = dict(rates=[100, 300, 200], batch_size=10, batch_seconds=[0.05])
    rows = [dict(name='a', **measured, shares=rows[0]['shares'])]
    rate, cores = loading_table(rows).split('\n\n')
    assert re.search(r'\| a +\| 200 +\| 1.00x', rate)
    assert re.findall(r'\d+', cores.splitlines()[-1]) == ['1', '2', '4', '7', '13']  # of 8 x 200


def test_images_of_a_core_for_a_detector(demo):
    rows = measure_loading(read_subjects([DETECTOR, f'data_root={demo}/']), rounds=1, images=8)
    (row,) = rows  # nobody else's pipeline beside it
    assert {'LoadImageFromFile', 'LoadAnnotations', 'PackDetInputs', 'the rest'} <= row[
        'steps'
    ].keys()
    assert sum(row['steps'].values()) == pytest.approx(1, abs=0.02)
    assert 'LoadAnnotations' in loading_table(rows)


@pytest.mark.slow
def test_a_run_beside_its_steps(demo):
    """What is kept and what is lost make up the whole."""
    settings = ['train_dataloader.batch_size=8', 'train_dataloader.num_workers=0']
    done = run_tool(
        *(BENCHMARK, NANO, f'data_root={demo}/', *settings, '--train', '--rounds', 1, '--steps', 5)
    )
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[-1].split('|')
    assert row[2].strip() == '8'
    kept, waiting, rest = (float(cell.strip(' %')) for cell in row[5:8])
    assert 0.3 < kept < 1.2
    assert 0 < waiting < 50
    assert 100 * kept + waiting + rest == pytest.approx(100, abs=0.2) or rest == 0
