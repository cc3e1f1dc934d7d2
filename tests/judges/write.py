"""Small sets of known truth, as other projects' exporters write them: the second judge of our readers.

Run it by `make judges`, in an environment of its own with requirements/judges.txt. It writes a
folder for each exporter and format into tests/data/judges, and what is on the images into truth.json.

    python tests/judges/write.py tests/data/judges
"""

import argparse
import json
import logging
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (60, 40)
NAMES = ['nut', 'bolt']
#: Objects by image: category and outline; boxes are around these.
TRUTH = {
    'one.jpg': [('nut', [(4, 4), (24, 4), (24, 20), (4, 20)])],
    'two words.jpg': [
        ('bolt', [(10, 6), (40, 8), (30, 34)]),
        ('nut', [(42, 4), (56, 4), (56, 16), (42, 16)]),
    ],
    'three.1.jpg': [('bolt', [(30, 10), (55, 20), (30, 30), (5, 20)])],
    'four.jpg': [
        ('nut', [(20, 12), (44, 12), (44, 36), (20, 36)]),
        ('nut', [(2, 2), (14, 2), (14, 10), (2, 10)]),
    ],
}
SPLITS = {'one.jpg': 'train', 'two words.jpg': 'train', 'three.1.jpg': 'train', 'four.jpg': 'val'}


def pictures(folder: Path) -> dict[str, Path]:
    """The images, each like no other."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for i, name in enumerate(TRUTH):
        noise = np.random.default_rng(i).integers(0, 255, (4, 6, 3), np.uint8)
        paths[name] = folder / name
        Image.fromarray(noise).resize(SIZE, Image.Resampling.NEAREST).save(paths[name], quality=50)
    return paths


def box(outline):
    x, y = zip(*outline, strict=True)
    return min(x), min(y), max(x), max(y)


def datumaro(out: Path, images: dict[str, Path]) -> None:
    import datumaro as dm

    def items(kind):
        i = 0
        for name, things in TRUTH.items():
            annotations = []
            for label, outline in things:
                i += 1
                k = NAMES.index(label)
                if kind == 'polygon':
                    points = [float(v) for point in outline for v in point]
                    annotations.append(dm.Polygon(points, label=k, id=i, group=i))
                else:
                    x0, y0, x1, y1 = box(outline)
                    annotations.append(dm.Bbox(x0, y0, x1 - x0, y1 - y0, label=k, id=i, group=i))
            yield dm.DatasetItem(
                id=name.removesuffix('.jpg'),
                subset=SPLITS[name],
                media=dm.Image.from_file(path=str(images[name])),
                annotations=annotations,
            )

    formats = [
        *(
            ('coco_instances', 'polygon'),
            ('cvat', 'polygon'),
            ('cvat', 'box'),
            ('label_me', 'polygon'),
        ),
        *(('voc_detection', 'box'), ('yolo', 'box'), ('yolo_ultralytics', 'box')),
    ]
    for format, kind in formats:
        target = out / f'datumaro {format} {kind}'
        dataset = dm.Dataset.from_iterable(list(items(kind)), categories=NAMES)
        try:
            dataset.export(str(target), format, save_media=True)
        except Exception as error:  # a version may lack a format
            print(f'not written: {target.name}: {type(error).__name__} {error}')
            shutil.rmtree(target, ignore_errors=True)


def supervision(out: Path, images: dict[str, Path]) -> None:
    import supervision as sv

    masks = {}
    from PIL import ImageDraw

    for name, things in TRUTH.items():
        drawn = []
        for _, outline in things:
            mask = Image.new('1', SIZE)
            ImageDraw.Draw(mask).polygon(outline, fill=1)
            drawn.append(np.asarray(mask))
        masks[name] = np.stack(drawn)

    def dataset(names, with_masks):
        annotations = {
            str(images[name]): sv.Detections(
                xyxy=np.array([box(outline) for _, outline in TRUTH[name]], float),
                class_id=np.array([NAMES.index(label) for label, _ in TRUTH[name]]),
                mask=masks[name] if with_masks else None,
            )
            for name in names
        }
        return sv.DetectionDataset(
            classes=NAMES, images=[str(images[n]) for n in names], annotations=annotations
        )

    for kind in ('box', 'mask'):
        whole = dataset(TRUTH, kind == 'mask')
        target = out / f'supervision yolo {kind}'
        whole.as_yolo(str(target / 'images'), str(target / 'labels'), str(target / 'data.yaml'))
        target = out / f'supervision coco {kind}'
        whole.as_coco(str(target / 'images'), str(target / 'annotations/all.json'))
    target = out / 'supervision voc box'
    dataset(TRUTH, False).as_pascal_voc(str(target / 'JPEGImages'), str(target / 'Annotations'))


def labelme(out: Path, images: dict[str, Path]) -> None:
    target = out / 'labelme polygon'
    target.mkdir(parents=True)
    from labelme._label_file import LabelFile

    for name, things in TRUTH.items():
        shutil.copy(images[name], target / name)
        shapes = [
            dict(label=label, points=[list(map(float, p)) for p in outline], group_id=None, flags={},
                 shape_type='polygon', description='', mask=None)
            for label, outline in things
        ]  # fmt: skip
        LabelFile().save(
            filename=str((target / name).with_suffix('.json')),
            shapes=shapes,
            image_path=name,
            image_height=SIZE[1],
            image_width=SIZE[0],
        )


def label_studio(out: Path, images: dict[str, Path]) -> None:
    """Its own converter, from the JSON that we read, too."""
    from label_studio_sdk.converter import Converter

    target = out / 'label studio json polygon'
    shutil.copytree(images['one.jpg'].parent, target / 'images')
    tasks = []
    for i, (name, things) in enumerate(TRUTH.items(), 1):
        results = [
            dict(
                id=f'r{i}{j}', type='polygonlabels', from_name='label', to_name='image',
                original_width=SIZE[0], original_height=SIZE[1], image_rotation=0,
                value=dict(points=(np.array(outline) * 100 / SIZE).tolist(), closed=True, polygonlabels=[label]),
            )
            for j, (label, outline) in enumerate(things)
        ]  # fmt: skip
        annotation = dict(id=i, was_cancelled=False, completed_by=1, result=results)
        tasks.append(
            dict(
                id=i,
                data=dict(image=f'/data/upload/1/{i:08x}-{name}'),
                annotations=[annotation],
                predictions=[],
            )
        )
    (target / 'project.json').write_text(json.dumps(tasks))
    config = (
        '<View><Image name="image" value="$image"/><PolygonLabels name="label" toName="image">'
        + ''.join(f'<Label value="{name}"/>' for name in NAMES)
        + '</PolygonLabels></View>'
    )
    converter = Converter(config, str(target), download_resources=False)
    source = str(target / 'project.json')
    for format, convert in (
        ('json min', 'convert_to_json_min'),
        ('coco', 'convert_to_coco'),
        ('yolo', 'convert_to_yolo'),
    ):
        place = out / f'label studio {format} polygon'
        place.mkdir(parents=True)
        kwargs = dict(is_dir=False)
        if format == 'coco':
            kwargs.update(output_image_dir=str(place / 'images'))
        if format == 'yolo':
            kwargs.update(
                output_image_dir=str(place / 'images'), output_label_dir=str(place / 'labels')
            )
        try:
            getattr(converter, convert)(source, str(place), **kwargs)
        except Exception as error:
            print(f'not written: {place.name}: {type(error).__name__} {error}')
            shutil.rmtree(place)
            continue
        for name, path in images.items():
            (place / 'images').mkdir(exist_ok=True)
            number = list(TRUTH).index(name) + 1
            shutil.copy(
                path, place / 'images' / (name if format == 'json min' else f'{number:08x}-{name}')
            )


def pylabel(out: Path, images: dict[str, Path]) -> None:
    from pylabel import importer

    source = out / 'supervision coco box'
    for format in ('voc', 'yolo'):
        target = out / f'pylabel {format} box'
        dataset = importer.ImportCoco(
            str(source / 'annotations/all.json'), path_to_images='../images', name='x'
        )
        (target / 'images').mkdir(parents=True)
        for name, path in images.items():
            shutil.copy(path, target / 'images' / name)
        if format == 'voc':
            dataset.export.ExportToVoc(output_path=str(target / 'annotations'))
        else:
            dataset.export.ExportToYoloV5(
                output_path=str(target / 'labels'),
                copy_images=False,
                yaml_file='data.yaml',
                cat_id_index=0,
            )
            for file in (target / 'labels').rglob('*.yaml'):
                shutil.move(file, target / 'data.yaml')


WRITERS = (datumaro, supervision, labelme, label_studio, pylabel)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    for folder in args.out.glob('*/'):
        shutil.rmtree(folder)
    images = pictures(args.out / 'pictures')
    for writer in WRITERS:
        try:
            writer(args.out, images)
        except Exception as error:
            print(f'{writer.__name__}: {type(error).__name__}: {error}')
    shutil.rmtree(args.out / 'pictures')
    packages = ('datumaro', 'supervision', 'labelme', 'label-studio-sdk', 'pylabel')
    content = dict(
        size=SIZE,
        splits=SPLITS,
        objects={
            name: [[label, outline] for label, outline in things] for name, things in TRUTH.items()
        },
        written_by={name: version(name) for name in packages},
    )
    (args.out / 'truth.json').write_text(json.dumps(content, indent=1) + '\n')
    for folder in sorted(args.out.iterdir()):
        if folder.is_dir():
            print(f'{folder.name}: {sum(p.is_file() for p in folder.rglob("*"))} files')


if __name__ == '__main__':
    main()
