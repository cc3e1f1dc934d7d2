"""Reports that tests have written, and what they are of."""

import json

from faster_coco_eval.core import mask as mask_api

from mmgreen.report import write_report


def save(folder, truth, detections, name='run.segm.json'):
    folder.mkdir(exist_ok=True)
    (folder / 'annotations.json').write_text(json.dumps(truth, ensure_ascii=False))
    (folder / name).write_text(json.dumps(detections))
    return folder / name, folder / 'annotations.json'


def report_of(folder, truth, detections, **kwargs):
    results, ann_file = save(folder, truth, detections)
    path = write_report([results], folder / 'report', ann_file=ann_file, **kwargs)
    data = json.loads((path.parent / 'report.json').read_text())
    return path.read_text(), data


def encode(polygons):
    rle = mask_api.frPyObjects(polygons, 120, 160)[0]
    return dict(size=[120, 160], counts=rle['counts'].decode())


def work_dir_of(folder, truth, detections, **record):
    """A work dir as a test leaves it."""
    log_dir = folder / '20260101_000000'
    log_dir.mkdir(parents=True)
    save(log_dir, truth, detections, 'detections.segm.json')
    known = dict(mode='test', annotations=str(log_dir / 'annotations.json'), seconds=1.0, images=4)
    known |= dict(memory_mib=1, device='x', started='2026-01-01T00:00:00')
    (log_dir / 'run.json').write_text(json.dumps(known | record))
    return folder
