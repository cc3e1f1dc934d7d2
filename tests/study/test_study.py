"""A study runs each of its parts once, by the tools, and compares what they give."""

import json
import re
import runpy
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, run_tool
from mmengine.config import Config
from synthetic import make_coco

from mmgreen.choosing import Choice, Seen
from mmgreen.config import around_backbone, load_config, parts
from mmgreen.errors import UserError
from mmgreen.report import write_report
from mmgreen.study import processes, read_plan, run_plan, write_study_report
from mmgreen.study.folders import CONFIG
from mmgreen.study.labels import write_chosen, write_rest, write_subset

PRETRAIN = 'configs/own_data/greenmim_swin-nano_b32-4k_own-data.py'
DETECT = 'configs/own_data/mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'
CLASSIFY = 'configs/quickstart/green-swin-nano_imagenette.py'


@pytest.fixture
def study(tmp_path):
    """A study file on synthetic annotations, changed by settings."""
    truth, found = make_coco(20, 60, 2)
    data = tmp_path / 'data/annotations'
    data.mkdir(parents=True)
    for split in ('train', 'val'):
        (data / f'instances_{split}2017.json').write_text(json.dumps(truth))

    def write(**settings):
        settings = (
            dict(
                work_dir=str(tmp_path / 'study'),
                seeds=[0, 1],
                labels=[4],
                starts=dict(
                    none=None,
                    ours=dict(config=PRETRAIN, steps=200),
                    longer=dict(config=PRETRAIN, minutes=1.5, init='ours'),
                    given=str(tmp_path / 'given.pth'),
                ),
                detector=dict(
                    config=DETECT, steps=60, cfg_options={'data_root': f'{tmp_path}/data/'}
                ),
                classifier=dict(config=CLASSIFY),
            )
            | settings
        )
        path = tmp_path / 'study.py'
        path.write_text('\n'.join(f'{key} = {value!r}' for key, value in settings.items()))
        return path

    write.found, write.truth = found, truth
    return write


@pytest.fixture
def tools(study, monkeypatch, tmp_path):
    """Tools that answer at once, and what they were called with."""
    calls = []

    def call(self, folder, action, *arguments):
        calls.append((folder.relative_to(tmp_path / 'study').as_posix(), action))
        cfg = Config(runpy.run_path(folder / CONFIG))  # mmengine's way is for one thread
        if action == 'train':
            last = folder / f'iter_{cfg.train_cfg.max_iters}.pth'
            last.touch()
            (folder / 'last_checkpoint').write_text(str(last))
            (folder / Path(CONFIG).name).write_text('# as mmengine completed it')
            rows = [dict(step=i, time=9.0 if i < 30 else 0.5) for i in range(1, 81)]
            if cfg.get('val_cfg'):  # to its end
                (folder / 'best_coco_segm_mAP_iter_40.pth').touch()
                curve = {20: 0.3, 30: 0.495, 40: 0.5, 50: 0.499}
                rows += [{'coco/segm_mAP': ap, 'step': step} for step, ap in curve.items()]
            (folder / '1/vis_data').mkdir(parents=True)
            (folder / '1/vis_data/scalars.json').write_text(
                ''.join(json.dumps(row) + '\n' for row in rows)
            )
            # Interrupted once: half of it in another folder.
            record = dict(mode='train', seconds=30, images=1, iterations=1, memory_mib=1)
            (folder / '0').mkdir()
            for part in ('0', '1'):
                record |= dict(first_iteration=int(part), started=part)
                (folder / part / 'run.json').write_text(json.dumps(record))
        elif action == 'test':
            # The more labels, and pre-training at all, the more is found.
            _, labelled = next(parts(cfg.train_dataloader.dataset))
            labels = len(json.loads(Path(labelled.ann_file).read_text())['images'])
            kept = (
                0.4
                + 0.03 * labels
                + 0.2 * (around_backbone(cfg.model).backbone.init_cfg is not None)
            )
            rng = np.random.default_rng(cfg.randomness.seed)
            part = [found for found in study.found if rng.random() < kept]
            log = folder / 'test/1'
            log.mkdir(parents=True)
            annotations = (
                f'{cfg.test_dataloader.dataset.data_root}annotations/instances_val2017.json'
            )
            record = dict(mode='test', annotations=annotations, images_folder='', started='1')
            (log / 'run.json').write_text(json.dumps(record))
            (log / 'detections.segm.json').write_text(json.dumps(part))
        elif action == 'choose':
            # Others than chance has: those of another seed, of what is not held out.
            _, ann_file, number, held = arguments
            write_subset(ann_file, number, 99, folder / 'chosen.json', held or None)
        else:
            accuracy = {'20': [50.0 + cfg.randomness.seed, 90.0]}
            (folder / 'neighbours.json').write_text(
                json.dumps(dict(accuracy=accuracy, linear=[60, 95]))
            )

    monkeypatch.setattr(processes.Processes, 'call', call)
    return calls


@pytest.mark.parametrize(('seconds', 'steps'), [(30.0, 120), (89.9, 1), (90.0, None)])
def test_minutes_have_what_a_teacher_needs_to_see_all_images_in_them(
    seconds, steps, study, tools, tmp_path, monkeypatch
):
    call = processes.Processes.call

    def prepare_first(self, folder, action, *arguments):
        call(self, folder, action, *arguments)
        with suppress(FileNotFoundError), (folder / '1/vis_data/scalars.json').open('a') as rows:
            rows.write(json.dumps(dict(kept_features_seconds=seconds, step=0)))

    monkeypatch.setattr(processes.Processes, 'call', prepare_first)
    plan = read_plan(study(starts=dict(ours=dict(config=PRETRAIN, minutes=1.5)), seeds=[0]))
    if steps is None:
        with pytest.raises(
            UserError, match='its teacher needs 1.5 to see all images: give it more'
        ):
            run_plan(plan)
        return
    run_plan(plan)
    cfg = Config.fromfile(tmp_path / 'study/starts/ours/seed_0/config/cell.py')
    assert cfg.train_cfg.max_iters == steps


def test_every_part_runs_once_after_what_it_needs(study, tools, tmp_path):
    plan = read_plan(study())
    run_plan(plan, jobs=3)
    # Minutes measured; two pre-trainings; neighbours, and training and testing, of four starts.
    assert len(tools) == len(set(tools)) == 1 + 2 * (2 + 4 + 2 * 4)
    order = [folder for folder, _ in tools]
    assert order[0] == 'pace/longer'
    for seed in (0, 1):
        where = [order.index(f'{part}/seed_{seed}') for part in ('starts/ours', 'starts/longer')]
        where.append(order.index(f'detectors/labels_4/longer/seed_{seed}'))
        assert where == sorted(where)
    folder = tmp_path / 'study'

    ours, longer = (
        Config.fromfile(folder / f'starts/{name}/seed_1/config/cell.py')
        for name in ('ours', 'longer')
    )
    assert (ours.train_cfg.max_iters, ours.randomness.seed) == (200, 1)
    assert longer.train_cfg.max_iters == 180  # of half a second, the slow first ones left out
    assert longer.model.backbone.init_cfg.checkpoint.endswith('starts/ours/seed_1/iter_200.pth')
    detector = Config.fromfile(folder / 'detectors/labels_4/given/seed_0/config/cell.py')
    assert detector.model.backbone.init_cfg.checkpoint == str(tmp_path / 'given.pth')
    assert [s.end for s in detector.param_scheduler] == [10, 60]
    nothing = Config.fromfile(folder / 'detectors/labels_4/none/seed_0/config/cell.py')
    assert nothing.model.backbone.init_cfg is None

    tools.clear()
    run_plan(read_plan(study(seeds=[0, 2], starts=dict(none=None))))
    assert {Path(part).name for part, _ in tools} == {'seed_2'}
    changed = dict(config=PRETRAIN, steps=300)
    with pytest.raises(
        UserError, match='ours/seed_0/config/cell.py has other settings than the study'
    ):
        run_plan(read_plan(study(starts=dict(none=None, ours=changed))))


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'configs/studies').glob('*.py')), ids=lambda path: path.stem
)
def test_studies_that_are_there_name_configs_that_are_there(path):
    plan = read_plan(path)
    tasks = [plan.classifier, *(t for s in plan.every_start for t in (s.training, s.detector))]
    for task in tasks:
        if task:
            load_config(task.config, task.cfg_options)


def test_a_start_is_fine_tuned_in_several_ways(study, tools, tmp_path):
    slow = dict(cfg_options={'optim_wrapper.optimizer.lr': 2e-4})
    starts = dict(
        none=None,
        ours=dict(config=PRETRAIN, steps=200),
        slower=dict(init='ours', detector=slow),
        none_slower=dict(detector=slow),
        none_longer=dict(detector=dict(steps=120)),
    )
    plan = read_plan(study(seeds=[0], starts=starts, classifier=None))
    run_plan(plan, jobs=3)
    assert [part for part, tool in tools].count('starts/ours/seed_0') == 1
    folder = tmp_path / 'study'
    assert [p.name for p in (folder / 'starts').iterdir()] == ['ours']
    of = {
        name: Config.fromfile(folder / f'detectors/labels_4/{name}/seed_0/config/cell.py')
        for name in starts
    }
    ours, slower, nothing, nothing_slower, longer = (
        of[name] for name in ('ours', 'slower', 'none', 'none_slower', 'none_longer')
    )
    assert slower.model.backbone.init_cfg == ours.model.backbone.init_cfg is not None
    assert nothing_slower.model.backbone.init_cfg is nothing.model.backbone.init_cfg is None
    for usual, other in ((ours, slower), (nothing, nothing_slower)):
        assert (usual.optim_wrapper.optimizer.lr, other.optim_wrapper.optimizer.lr) == (1e-3, 2e-4)
    assert (nothing.train_cfg.max_iters, longer.train_cfg.max_iters) == (60, 120)
    assert longer.data_root == nothing.data_root
    data = json.loads(write_study_report(plan, 50).with_name('report.json').read_text())
    minutes = data['minutes_of_pretraining']
    assert minutes['slower'] == minutes['ours'] > minutes['none_slower'] == 0


def test_its_report_compares_starts_over_seeds_and_images(study, tools, tmp_path):
    starts = dict(none=None, ours=dict(config=PRETRAIN, steps=200))
    plan = read_plan(study(labels=[4, 8], starts=starts))
    run_plan(plan)
    path = write_study_report(plan, resamples=50)
    data = json.loads(path.with_name('report.json').read_text())
    for labels in ('4', '8'):
        masks = data['detectors'][labels]['segm']
        assert masks['none']['gained'] == 0
        assert masks['ours']['AP'] == pytest.approx(np.mean(masks['ours']['of_seeds']))
        assert masks['ours']['gained'] == pytest.approx(masks['ours']['AP'] - masks['none']['AP'])
        assert masks['ours']['gained'] > 0.02
    assert data['features']['neighbours']['ours'] == [50, 51]
    assert data['features']['linear']['ours'] == [60, 60]
    assert data['minutes_of_pretraining'] == dict(none=0, ours=1)
    results = json.loads((plan.work_dir / 'results.json').read_text())
    rows = {(row['start'], row['labels'], row['seed']): row for row in results['detectors']}
    assert len(rows) == 2 * 2 * 2
    for start in ('none', 'ours'):
        of_seeds = [rows[start, 8, seed]['segm']['AP'] for seed in (0, 1)]
        assert of_seeds == pytest.approx(data['detectors']['8']['segm'][start]['of_seeds'], 1e-3)
        low, high = rows[start, 8, 0]['segm']['interval']
        assert low < of_seeds[0] < high
    assert (rows['ours', 4, 1]['before'], rows['ours', 4, 1]['minutes']) == (1, 1)
    assert rows['none', 4, 1]['before'] == 0
    assert [row['neighbours'] for row in results['features']] == [50, 51, 50, 51]
    first, second, third, _ = path.with_suffix('.md').read_text().splitlines()[2].split('. ')
    gained = 100 * data['detectors']['4']['segm']['ours']['gained']
    assert first.startswith(f'With 4 images start from ours: +{gained:.1f} points of AP of masks')
    low, high = (100 * v for v in data['detectors']['8']['segm']['ours']['gained_interval'])
    assert low < 0  # so it may be chance
    assert second.startswith('With 8 images stay with none: the best other, ours, wins +')
    assert second.endswith(f'95 % between {low:.1f} and {high:.1f}')
    more = (
        data['detectors']['8']['segm']['none']['AP'] - data['detectors']['4']['segm']['none']['AP']
    )
    assert third.startswith(
        f'From none, 8 images in the place of 4 are worth {100 * more:+.1f} points'
    )
    html = path.read_text()
    by_labels, by_time = re.findall(r'<svg.*?</svg>', html, re.DOTALL)
    assert 'AP of masks by labels' in by_labels
    assert 'minutes of both trainings' in by_time
    texts = re.findall(r'>([^<>]+)</text>', by_time)
    assert {'none', 'ours'} < set(texts)
    assert (texts.count('4'), texts.count('8')) == (2, 2)  # of each start

    # A seed that is not done everywhere is left out, and what took an unknown time is named.
    (tmp_path / 'study/detectors/labels_8/ours/seed_1/done.json').unlink()
    shutil.rmtree(tmp_path / 'study/starts')  # to have the disk back
    for record in (tmp_path / 'study/detectors/labels_4/none').glob('*/[0-9]*/run.json'):
        record.unlink()
    assert 'Points are missing' not in html
    html = write_study_report(plan, resamples=50).read_text()
    assert 'Points are missing of runs that do not say what they took: none, ours.' in html
    data = json.loads(path.with_name('report.json').read_text())
    assert data['minutes_of_pretraining'] == dict(none=0, ours=None)
    assert (data['detectors']['4']['seeds'], data['detectors']['8']['seeds']) == (2, 1)
    rows = json.loads((plan.work_dir / 'results.json').read_text())['detectors']
    assert len(rows) == 7
    assert {row['before'] for row in rows if row['start'] == 'ours'} == {None}


def test_a_part_of_it_is_run_and_reported_by_itself(study, tools, tmp_path):
    plan = read_plan(study(labels=[4, 8], classifier=None))
    part = plan.part(starts=['longer', 'none'], labels=[8], seeds=[1])
    run_plan(part)
    folder = tmp_path / 'study/detectors'
    assert {str(p.relative_to(folder)) for p in folder.glob('*/*/*')} == {
        'labels_8/none/seed_1',
        'labels_8/longer/seed_1',
    }
    assert ('starts/ours/seed_1', 'train') in tools  # which longer goes on from
    data = json.loads(write_study_report(part, 50).with_name('report.json').read_text())
    assert list(data['detectors']['8']['segm']) == ['none', 'longer']
    tools.clear()
    run_plan(plan)
    assert not [call for call in tools if 'labels_8/none/seed_1' in call[0]]
    with pytest.raises(UserError, match='no 16 among its labels: 4, 8'):
        plan.part(labels=[16])


def test_what_is_not_labelled_is_learnt_from_without_labels(study, tools, tmp_path):
    """A detector of both kinds of images has the rest of the same file for the other kind."""
    semi = 'configs/own_data/semi_mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'
    kinds = 'train_dataloader.dataset.datasets'
    both = dict(
        config=semi,
        steps=2,
        cfg_options={
            'data_root': f'{tmp_path}/data/',
            f'{kinds}.1.type': 'mmgreen.CocoDataset',
            f'{kinds}.1.ann_file': 'annotations/instances_train2017.json',
        },
    )
    plan = read_plan(study(starts=dict(none=None, semi=dict(detector=both)), labels=[6], seeds=[0]))
    run_plan(plan)
    cfg = Config.fromfile(plan.work_dir / 'detectors/labels_6/semi/seed_0' / CONFIG)
    assert cfg.model.detector.backbone.init_cfg is None
    part, rest = (
        json.loads(Path(d.ann_file).read_text()) for d in cfg.train_dataloader.dataset.datasets
    )
    assert len(part['images']) == 6
    assert not {i['id'] for i in part['images']} & {i['id'] for i in rest['images']}


def test_all_starts_have_the_same_time_in_all(study, tools, tmp_path):
    """A step takes half a second; `ours` 200 of them, and `longer` 90 seconds after `ours`."""
    own = dict(config=DETECT, cfg_options={'data_root': f'{tmp_path}/data/'}, minutes=4)
    starts = dict(
        none=None,
        ours=dict(config=PRETRAIN, steps=200),
        longer=dict(config=PRETRAIN, minutes=1.5, init='ours'),
        slower=dict(init='ours', detector=dict(cfg_options={'train_dataloader.batch_size': 9})),
        short=dict(detector=dict(steps=7)),
    )
    settings = dict(starts=starts, seeds=[0], classifier=None)
    plan = read_plan(study(detector=own, **settings))
    run_plan(plan)
    steps = {
        name: Config.fromfile(
            plan.work_dir / f'detectors/labels_4/{name}/seed_0' / CONFIG
        ).train_cfg.max_iters
        for name in starts
    }
    assert steps == dict(none=480, ours=280, longer=100, slower=280, short=7)
    measured = {folder for folder, _ in tools if folder.startswith('pace/')}
    assert measured == {
        f'pace/{name}' for name in ('ours', 'longer', 'detector', 'slower_detector')
    }
    less = dict(own, minutes=3.2)
    with pytest.raises(
        UserError, match='longer has 3.2 minutes in all, of which its pre-training takes'
    ):
        run_plan(read_plan(study(detector=less, work_dir=str(tmp_path / 'study/less'), **settings)))
    with pytest.raises(UserError, match='both steps and minutes'):
        read_plan(study(detector=dict(own, steps=5), **settings))


def test_labelled_images_are_chosen_by_another_detector_or_by_features(study, tools, tmp_path):
    starts = dict(
        random=dict(config=PRETRAIN, steps=200),
        by_features=dict(init='random', choose=dict(by='random')),
        by_detector=dict(init='random', choose=dict(by='random', labels=3)),
    )
    settings = dict(starts=starts, labels=[6], seeds=[0], classifier=None)
    plan = read_plan(study(**settings))
    run_plan(plan.part(starts=['by_features', 'by_detector']))
    trained = [folder for folder, action in tools if action == 'train']
    # The detector of three images is there to choose, and not compared.
    assert trained == [
        'starts/random/seed_0',
        'detectors/labels_3/random/seed_0',
        'detectors/labels_6/by_features/seed_0',
        'detectors/labels_6/by_detector/seed_0',
    ]
    assert [folder for folder, action in tools if action == 'choose'] == [
        'chosen/labels_6/by_features/seed_0',
        'chosen/labels_6/by_detector/seed_0',
    ]

    def config(folder):
        return Config.fromfile(plan.work_dir / folder / CONFIG)

    def images(cfg):
        _, dataset = next(parts(cfg.train_dataloader.dataset))
        return {image['id'] for image in json.loads(Path(dataset.ann_file).read_text())['images']}

    drawn = images(config('detectors/labels_3/random/seed_0'))
    for name, known in (('by_features', set()), ('by_detector', drawn)):
        choosing = config(f'chosen/labels_6/{name}/seed_0')
        assert images(choosing) == known
        # What chooses begins where the detectors do.
        started = choosing.model.backbone.init_cfg.checkpoint
        assert started.endswith('starts/random/seed_0/iter_200.pth')
        chosen = json.loads(
            (plan.work_dir / f'chosen/labels_6/{name}/seed_0/chosen.json').read_text()
        )
        assert images(config(f'detectors/labels_6/{name}/seed_0')) == {
            image['id'] for image in chosen['images']
        }
    run_plan(plan)
    text = write_study_report(plan, resamples=20).with_suffix('.md').read_text()
    assert r'| by\_detector |' in text
    assert '3 images' not in text
    settings['starts'] = dict(by_features=dict(choose=dict(by='later')))
    with pytest.raises(UserError, match="choose of starts.by_features of .* has by='later'"):
        read_plan(study(**settings))


def test_what_is_chosen_has_what_is_known_and_nothing_held_out(tmp_path, monkeypatch):
    truth, _ = make_coco(20, 60, 2)
    whole, known, held, out = (tmp_path / f'{n}.json' for n in ('whole', 'known', 'held', 'out'))
    whole.write_text(json.dumps(truth))
    write_subset(whole, 4, 0, held)
    write_subset(whole, 3, 1, known, held)

    def first(eyes, images, number, labelled):
        assert len(labelled) == 3
        assert not set(images) & set(labelled)
        return [Choice(path, Seen(np.zeros(1)), 0.0) for path in images[:number]], []

    monkeypatch.setattr('mmgreen.study.labels.choose', first)
    write_chosen(whole, tmp_path, None, 8, known, out, held)
    ids = {
        file: {image['id'] for image in json.loads(file.read_text())['images']}
        for file in (known, held, out)
    }
    assert len(ids[out]) == 8
    assert ids[known] < ids[out]
    assert not ids[held] & ids[out]
    found = json.loads(out.read_text())
    assert {each['image_id'] for each in found['annotations']} == ids[out]
    assert found['categories'] == truth['categories']


def test_a_detector_is_trained_to_its_end_by_images_that_are_held_out(study, tools, tmp_path):
    until = dict(images=4, interval=10, patience=2)
    given = read_plan(study(seeds=[0]))
    options = given.starts['none'].detector.cfg_options
    detector = dict(config=DETECT, cfg_options=options, steps=200, until=until)
    settings = dict(detector=detector, labels=[6], seeds=[0], classifier=None)
    plan = read_plan(
        study(starts=dict(none=None, short=dict(detector=dict(until=None))), **settings)
    )
    run_plan(plan)
    folder = plan.work_dir / 'detectors/labels_6/none/seed_0'
    cfg = Config.fromfile(folder / CONFIG)
    held, trained = (
        {image['id'] for image in json.loads(Path(file).read_text())['images']}
        for file in (cfg.val_dataloader.dataset.ann_file, cfg.train_dataloader.dataset.ann_file)
    )
    assert (len(held), len(trained)) == (4, 6)
    assert not held & trained
    assert cfg.val_dataloader.dataset.data_prefix == cfg.train_dataloader.dataset.data_prefix
    assert cfg.val_evaluator.ann_file == cfg.val_dataloader.dataset.ann_file
    assert cfg.test_evaluator.ann_file != cfg.val_evaluator.ann_file
    assert [s.type for s in cfg.param_scheduler] == ['LinearLR', 'ReduceOnPlateauLR']
    assert (cfg.train_cfg.val_interval, cfg.train_cfg.max_iters) == (10, 200)
    done = json.loads((folder / 'done.json').read_text())
    assert done['checkpoint'].endswith('best_coco_segm_mAP_iter_40.pth')
    assert (done['steps'], done['near']) == (50, 30)
    short = Config.fromfile(plan.work_dir / 'detectors/labels_6/short/seed_0' / CONFIG)
    assert short.val_cfg is None
    text = write_study_report(plan, resamples=20).with_suffix('.md').read_text()
    # A minute in two parts, of which three fifths were needed.
    assert '| 6 images | none | 50 | 1.0 | 0.6 |' in text
    to_the_end, shorter = json.loads((plan.work_dir / 'results.json').read_text())['detectors']
    assert to_the_end['curve'] == [[0.4, 0.3], [0.6, 0.495], [0.8, 0.5], [1.0, 0.499]]
    assert 'curve' not in shorter
    assert 'With 6 images stay with none: the best other, short, wins ' in text
    with pytest.raises(UserError, match="until of detector of .* has 'patient'"):
        read_plan(study(**settings | dict(detector=detector | dict(until=dict(patient=3)))))
    too_many = settings | dict(
        starts=dict(none=None),
        detector=detector | dict(until=dict(images=18)),
        work_dir=str(tmp_path / 'study/other'),
    )
    with pytest.raises(UserError, match='labelled images that are not held out, fewer than 6'):
        run_plan(read_plan(study(**too_many)))


def test_a_run_that_fails_says_where_and_is_run_again(study, tools, monkeypatch):
    plan = read_plan(study(labels=[4], starts=dict(none=None), classifier=None))
    works = processes.Processes.call

    def fails(self, folder, action, *arguments):
        works(self, folder, action, *arguments)
        if action == 'test':
            raise UserError('test failed, see there')

    monkeypatch.setattr(processes.Processes, 'call', fails)
    with pytest.raises(UserError, match='see there'):
        run_plan(plan)
    with pytest.raises(UserError, match='can be compared yet'):
        write_study_report(plan)


WORKER = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit((folder / 'saved').touch()))
(folder / 'begun').touch()
time.sleep(60)
"""


def test_no_run_outlives_the_study(study, tmp_path, monkeypatch):
    (tmp_path / 'worker.py').write_text(WORKER)
    monkeypatch.setattr(processes, '_WORKER', [sys.executable, str(tmp_path / 'worker.py')])
    folder = tmp_path / 'study/detectors/labels_4/none'

    def interrupted(running, **_):
        # A signal that another thread sends may meet a finalizer, which swallows what it raises.
        while not all((folder / f'seed_{seed}/begun').is_file() for seed in (0, 1)):
            assert not any(future.done() for future in running)
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(processes, 'wait', interrupted)
    # As in a process of its own, whatever ran in this one before.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_plan(read_plan(study(starts=dict(none=None), classifier=None)), jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert all((folder / f'seed_{seed}/saved').is_file() for seed in (0, 1))


def test_runs_at_a_time_share_the_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(processes.torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5, 3')
    show = [sys.executable, '-c', 'import os; print(os.environ["CUDA_VISIBLE_DEVICES"])']
    monkeypatch.setattr(processes, '_WORKER', show)
    started = processes.Processes(1)
    with started._gpus.taken() as first:
        started.call(tmp_path, 'train')
        with started._gpus.taken() as second, started._gpus.taken():
            pass
    started.call(tmp_path, 'test')
    assert [*first.values(), *second.values()] == ['5', '3']
    assert (tmp_path / 'train.log').read_text().split()[-1] == '3'
    assert (tmp_path / 'test.log').read_text().split()[-1] == '5'


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(seeds=[]), 'lacks seeds'),
        (dict(labels=[]), 'lacks labels'),
        (dict(seed=[0]), "has 'seed', and can have"),
        (dict(starts=dict(a=dict(config=PRETRAIN, init='b'))), "starts from 'b'"),
        (dict(starts=dict(a=dict(config=PRETRAIN, steps=1, minutes=1))), 'both steps and minutes'),
        (dict(detector=dict(steps=5)), 'detector of .* lacks config'),
        (dict(starts=dict(a=dict(rate=1))), "starts.a of .* has 'rate', and can have"),
        (dict(detector=None, starts=dict(a=dict(detector=dict(steps=1)))), 'the study has none'),
        (dict(starts=dict(a=dict(detector=dict(lr=1)))), "detector of starts.a of .* has 'lr'"),
        (dict(detector=None, classifier=None), 'neither a detector nor a classifier'),
    ],
)
def test_what_a_study_does_not_know_is_refused(study, settings, words):
    with pytest.raises(UserError, match=words):
        read_plan(study(**settings))


def test_fewer_labels_are_among_more_of_the_same_seed(tmp_path):
    truth, _ = make_coco(20, 60, 2)
    whole = tmp_path / 'whole.json'
    whole.write_text(json.dumps(truth))
    chosen = {}
    for seed in (0, 1):
        for number in (3, 6):
            out = tmp_path / 'part.json'
            write_subset(whole, number, seed, out)
            part = json.loads(out.read_text())
            chosen[seed, number] = {image['id'] for image in part['images']}
            assert len(chosen[seed, number]) == number
            assert {a['image_id'] for a in part['annotations']} == chosen[seed, number]
    assert chosen[0, 3] < chosen[0, 6]
    assert chosen[0, 6] != chosen[1, 6]
    with pytest.raises(UserError, match='labelled images, fewer than 50'):
        write_subset(whole, 50, 0, tmp_path / 'out.json')


@pytest.mark.slow
def test_the_rest_has_all_other_images_and_no_label(tmp_path):
    truth, _ = make_coco(20, 60, 2)
    whole, part, rest = (tmp_path / f'{name}.json' for name in ('whole', 'part', 'rest'))
    whole.write_text(json.dumps(truth))
    write_subset(whole, 5, 1, part)
    write_rest(whole, [part], rest)
    images = [{i['id'] for i in json.loads(f.read_text())['images']} for f in (whole, part, rest)]
    assert images[1] | images[2] == images[0]
    assert not images[1] & images[2]
    assert json.loads(rest.read_text())['annotations'] == []


def test_a_study_by_the_tools_themselves(demo, tmp_path):
    options = {'data_root': f'{demo}/'}
    split = {
        f'{name}_dataloader.dataset.{key}': value
        for name, folder in (('train', 'train'), ('test', 'val'))
        for key, value in (
            ('ann_file', f'annotations/{folder}.json'),
            ('data_prefix.img', folder),
        )
    }
    split |= {'test_evaluator.ann_file': f'{demo}/annotations/val.json'}
    images = {f'custom_hooks.{i}.images': f'{demo}/val' for i in (0, 1)}
    settings = dict(
        work_dir=str(tmp_path / 'study'),
        seeds=[0],
        labels=[8],
        starts=dict(
            none=None,
            ours=dict(
                config=PRETRAIN,
                steps=4,
                cfg_options=options | images | {'train_dataloader.batch_size': 4},
            ),
        ),
        detector=dict(
            config=DETECT,
            steps=2,
            cfg_options=options | split | {'train_dataloader.batch_size': 2},
        ),
    )
    path = tmp_path / 'study.py'
    path.write_text('\n'.join(f'{key} = {value!r}' for key, value in settings.items()))
    done = run_tool('tools/analysis/study.py', path)
    assert done.returncode == 0, done.stderr + done.stdout
    data = json.loads((tmp_path / 'study/report/report.json').read_text())
    assert set(data['detectors']['8']['bbox']) == {'none', 'ours'}
    assert data['minutes_of_pretraining']['ours'] > 0

    # Counted in steps, pictures and features are drawn by step.
    path = write_report([tmp_path / 'study/starts/ours/seed_0'], tmp_path / 'pretraining')
    data = json.loads(path.with_name('report.json').read_text())
    ranks = data['pretraining']['features']['Effective rank of features']['stage 1']
    assert [point['step'] for point in ranks] == [0, 1, 2, 3, 4]
    assert list(data['pretraining']['reconstructions']) == ['0', '1', '2', '3', '4']
    assert 'After step 4: masked' in path.read_text()
