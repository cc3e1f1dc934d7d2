"""From a folder to a report, by exactly the lines that docs/journeys.md shows."""

import json
import re
import shlex

import numpy as np
import pytest
import timm
import torch
from exports import export
from helpers import ROOT, run_command, run_tool
from worlds import LAYOUTS

from mmgreen.apis import detect, reconstruct
from mmgreen.checkpoints import threshold_of
from mmgreen.visualization import category_colour

PAGE = (ROOT / 'docs/journeys.md').read_text()
BLOCKS = re.findall(r'```bash\n(.*?)```', PAGE, re.S)
# A run of two steps; what the page shows is otherwise as it stands.
SHORT = {
    'detector.py': 'train_cfg.max_iters=2 train_cfg.val_interval=2 '
    'default_hooks.checkpoint.interval=2 param_scheduler=[] default_hooks.logger.interval=1',
    'pretrain.py': 'train_cfg.max_iters=2 default_hooks.checkpoint.interval=2 param_scheduler=[] '
    'train_dataloader.batch_size=2',
}
#: Images are few, and a worker takes longer to start and to end than to read them.
ONE_PROCESS = [f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')]
#: What writes each format of the page's table, by its first column.
FORMATS = {
    'COCO': 'coco',
    'CVAT': 'cvat',
    'CVAT, XML': 'CVAT for images',
    'CVAT, brush strokes': 'cvat brush',
    'Datumaro': 'datumaro',
    'Roboflow': 'roboflow',
    'Label Studio': 'label studio',
    'Label Studio, JSON': 'label studio tasks',
    'Label Studio, JSON-MIN': 'Label Studio, JSON-MIN',
    'LabelMe': 'labelme',
    'Pascal VOC': 'voc',
    'YOLO': 'yolo',
}
TABLE = re.findall(r'^\| ([A-Z][\w, -]+) \|.*\| (?:`(--[\w-]+)`)? ?\|$', PAGE, re.M)
#: Folders that other blocks of the page name.
FOLDERS = {'few': 'coco', 'photos': 'images', 'grey': 'cvat'}


def lines_of(block):
    return block.replace('\\\n', ' ').splitlines()


def journeys():
    """The commands of each row of the table, and of each block that makes a config of its own."""
    for name, option in TABLE:
        if FORMATS[name] in LAYOUTS:  # read as the others are, which test_laws.py shows
            continue
        make, *rest = lines_of(BLOCKS[0])
        yield pytest.param([f'{make} {option}', *rest], {'mine': FORMATS[name]}, id=name)
    for block in BLOCKS:
        names = set(re.findall(r' data/(\w+)', block)) & FOLDERS.keys()
        if names:
            folders = {name: FOLDERS[name] for name in names}
            yield pytest.param(lines_of(block), folders, id=min(names))


def run(line, cwd):
    program, command, *words = shlex.split(line)
    assert program == 'mmgreen'
    words = [str(next(cwd.glob(word))) if '*' in word else word for word in words]
    short = []
    if command == 'train':
        config = words[0].rsplit('/', 1)[-1]
        short = SHORT[config].split() + ONE_PROCESS[: 2 if config == 'detector.py' else 1]
    elif command == 'test':
        short = ONE_PROCESS[-1:]
    if short:
        words += ['--cfg-options'] * ('--cfg-options' not in words) + short
    done = run_command(command, *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(('lines', 'folders'), journeys())
def test_every_line_works(lines, folders, tmp_path):
    for name, kind in folders.items():
        ending = 'tif' if name == 'grey' else 'jpg'
        export(kind, tmp_path / 'data' / name, ending=ending)
    for line in lines:
        done = run(line, tmp_path)
    report = next(tmp_path.rglob('report.json'))
    data = json.loads(report.read_text())
    assert data['images'] > 0
    (training,) = data['training'].values()
    assert [point['step'] for point in training['losses']['validation']] == [2]
    assert f'Report: {report.with_name("report.html")}' in done.stdout


def test_an_afternoon_on_boxes_of_pascal_voc(tmp_path):
    """Checked, trained, tested, pre-trained on, compared, detected in: by lines that pages show."""
    export('voc', tmp_path / 'data/mine')
    make, train, test = lines_of(BLOCKS[0])
    assert 'sound' in run('mmgreen check data/mine', tmp_path).stdout
    run(make, tmp_path)
    trained = run(train, tmp_path).stdout
    # What will be done is said first, the length in steps, and no library's complaint.
    assert 'start    backbone with the weights that tf_efficientnet_lite0 comes with' in trained
    assert '2 steps' in trained
    assert not re.search('Deprecat|Unexpected|paramwise', trained)
    assert 'annotations/val.json' not in run(test, tmp_path).stderr
    report = next((tmp_path / 'work_dirs/mine_detector').rglob('report.json'))
    assert 'images of val.json' in report.with_suffix('.html').read_text()

    run('mmgreen make-config data/mine --out configs/more --model greenmim_swin-nano', tmp_path)
    assert 'So few images teach little' in (tmp_path / 'configs/more/pretrain.py').read_text()
    run('mmgreen train configs/more/pretrain.py', tmp_path)
    assert list(tmp_path.rglob('reconstruction_2.png')), 'the last step has a picture'
    run(f'{make} --start work_dirs/more_pretrain', tmp_path)
    run(f'{train} --work-dir work_dirs/more', tmp_path)
    run(f'{test.rsplit(" ", 1)[0]} work_dirs/more --work-dir work_dirs/more', tmp_path)
    names = ['of ImageNet', 'pre-trained']
    run(
        'mmgreen report work_dirs/mine_detector work_dirs/more --out compared '
        f'--names {shlex.join(names)}',
        tmp_path,
    )
    compared = json.loads((tmp_path / 'compared/report.json').read_text())
    assert [run['name'] for run in compared['runs']] == names

    line = 'mmgreen detect configs/mine/detector.py work_dirs/more data/mine --out found'
    done = run(line, tmp_path)
    checkpoint = torch.load(tmp_path / 'work_dirs/more/best_coco_bbox_mAP.pth')
    threshold = threshold_of(checkpoint) or 0.3
    assert f'objects of a score of {threshold:.2f} and above' in done.stdout
    found = json.loads((tmp_path / 'found/detections.json').read_text())
    colours = ['#{:02x}{:02x}{:02x}'.format(*category_colour(k)) for k in range(2)]
    assert [category['color'] for category in found['categories']] == colours
    assert all(a['score'] >= threshold for a in found['annotations'])


def test_all_formats_have_a_journey():
    assert [name for name, _ in TABLE] == list(FORMATS)


def test_five_channels_from_pre_training_to_the_report(tmp_path):
    export('labelme', tmp_path / 'data/five', ending='npy')
    make = 'mmgreen make-config data/five --out configs/five'
    run(f'{make} --model greenmim_swin-nano', tmp_path)
    run('mmgreen train configs/five/pretrain.py', tmp_path)
    first = torch.load(tmp_path / 'work_dirs/five_pretrain/iter_2.pth')['state_dict']
    assert first['backbone.patch_embed.projection.weight'].shape[1] == 5
    assert list(tmp_path.rglob('reconstruction_0.png'))
    run(f'{make} --start work_dirs/five_pretrain/iter_2.pth', tmp_path)
    run('mmgreen train configs/five/detector.py', tmp_path)
    done = run('mmgreen test configs/five/detector.py work_dirs/five_detector/best_*.pth', tmp_path)
    assert 'Report: ' in done.stdout

    path = tmp_path / 'data/five/p00.npy'
    config, best = tmp_path / 'configs/five/detector.py', next(tmp_path.rglob('best_*.pth'))
    options = {'model.test_cfg.rcnn.score_thr': 0.0}
    (of_file, of_array) = detect(config, best, [path, np.load(path)], options, threshold=0)
    assert len(of_file.pred_instances)
    assert torch.equal(of_file.pred_instances.bboxes, of_array.pred_instances.bboxes)
    start = tmp_path / 'work_dirs/five_pretrain/iter_2.pth'
    picture = reconstruct(tmp_path / 'configs/five/pretrain.py', start, [path], 64)
    assert picture.shape == (3 * 64 + 2 * 4, 64, 3)


def test_a_checkpoint_of_timm_by_the_page_and_on_five_channels(tmp_path):
    (block,) = (block for block in BLOCKS if 'swin_tiny_patch4_window7_224' in block)
    create, make, train, _ = block.replace('\\\n', ' ').splitlines()
    assert "timm.create_model('swin_tiny_patch4_window7_224'" in create  # which downloads
    state = timm.create_model('swin_tiny_patch4_window7_224').state_dict()
    torch.save(state, tmp_path / 'swin_tiny.pth')
    export('labelme', tmp_path / 'data/mine', ending='npy')
    run(make, tmp_path)
    done = run(f'{train} --cfg-options train_dataloader.batch_size=1', tmp_path)
    printed = done.stdout + done.stderr
    assert 'first layer adapted from 3 channels to 5' in printed
    assert '(Swin by timm' in printed


def test_data_points_any_config_at_a_folder(tmp_path):
    export('labelme', tmp_path / 'mine')
    config = ROOT / 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
    done = run_tool(
        *(ROOT / 'tools/train.py', config, '--data', 'mine', '--work-dir', 'run'),
        *('--cfg-options', 'model.backbone.init_cfg=None', 'train_cfg.max_epochs=1'),
        *('train_cfg.val_interval=1', 'param_scheduler=[]', 'train_dataloader.batch_size=2'),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert '2 categories, from your data: model.roi_head.bbox_head' in done.stdout + done.stderr
    assert 'images were divided: 10 train, 2 val (seed 0)' in done.stdout + done.stderr
    done = run_tool(
        *(
            ROOT / 'tools/test.py',
            config,
            'run/epoch_1.pth',
            '--data',
            'mine',
            '--work-dir',
            'test',
        ),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(next((tmp_path / 'test').rglob('report.json')).read_text())
    assert data['images'] == 2, 'those that were held out from training'
