"""Make configs for a folder of your own images, with no setting left to you.

The format is recognised: COCO, CVAT, Datumaro, Roboflow, Label Studio, LabelMe, Pascal
VOC, YOLO, class folders, images alone. Images are held out where no split is named.
Scale, anchors, batch, schedule and the rest follow from the images, the sizes of their
objects and the machine, each with its reason as a comment.
"""

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """examples:
  %(prog)s data/mine --out configs/mine
  %(prog)s data/mine --out configs/mine --model greenmim_swin-tiny --gpu-memory 24
  %(prog)s data/mine --out configs/mine --start work_dirs/mine_pretrain
  %(prog)s data/mine --out configs/mine --model mask-rcnn_swin-nano
  %(prog)s data/mine --out configs/mine --teacher tf_efficientnet_lite0
  %(prog)s data/mine --out configs/mine --teacher downloads/dinov2-small
  %(prog)s data/mine --out configs/mine --unlabelled data/others
  %(prog)s data/mine --newer data/corrected --out configs/mine
  %(prog)s data/large --out configs/large --tile 512
then:
  mmgreen train configs/mine/detector.py""",
    )
    parser.add_argument('folder', type=Path, help='folder of images, annotated or not')
    parser.add_argument('--out', type=Path, required=True, help='folder for the configs')
    parser.add_argument(
        '--newer',
        type=Path,
        nargs='+',
        default=[],
        metavar='FOLDER',
        help='folders that were annotated later, oldest first: an image that is in several is used once, '
        'as the newest shows it',
    )
    parser.add_argument(
        '--model',
        nargs='+',
        metavar='NAME',
        help='{mask-rcnn,faster-rcnn,greenmim}_swin-{nano,tiny,small,base}, or '
        '{mask-rcnn,faster-rcnn}_efficientnet-lite0, which ImageNet trained; by default what fits '
        'annotations, machine and start',
    )
    parser.add_argument(
        '--start',
        metavar='CHECKPOINT',
        help="checkpoint to start from, a run's folder, or hf://OWNER/NAME: of a pre-training, or of a whole "
        'detector, of which categories of the same name are kept',
    )
    parser.add_argument(
        '--teacher',
        metavar='NET',
        help='let the pre-training predict the features of this net: a name of timm or mmpretrain, a '
        'folder of Hugging Face (DINOv2, DINOv3), an ONNX file, or a checkpoint or config of OpenMMLab',
    )
    parser.add_argument(
        '--teacher-weights', metavar='FILE', help='its weights, where nothing is to be downloaded'
    )
    parser.add_argument(
        '--unlabelled',
        type=Path,
        metavar='FOLDER',
        help='images that the detector learns from without labels, too, by semi.py; by default those of '
        'the folder that are not annotated, where they are as many as the others',
    )
    parser.add_argument(
        '--tile',
        type=int,
        metavar='PIXELS',
        help='cut large images into tiles of this side, to train and validate on; tests see whole images, tile by tile',
    )
    parser.add_argument(
        '--gpu-memory', type=float, metavar='GIB', help='write for such a GPU, not for this machine'
    )
    parser.add_argument(
        '--crowds-as-objects',
        action='store_true',
        help='take each crowd (iscrowd 1) as one object, as for brush strokes of CVAT',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed that chooses the held-out images')
    parser.add_argument(
        '--split',
        metavar='{folder,time,FILE}',
        help='hold out whole folders, the last images by time, or those that a file lists; by default '
        'images are drawn, near-duplicates together',
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--steps',
        type=int,
        help='length: warm-up, decay, validations and checkpoints go with it; also of mmgreen train',
    )
    length.add_argument(
        '--minutes', type=float, help='as many steps as take so long on this machine'
    )
    args = parser.parse_args(argv)
    for name in ('steps', 'minutes'):
        if getattr(args, name) is not None and getattr(args, name) <= 0:
            parser.error(f'--{name} must be above 0')
    from mmgreen.datasets.names import printable
    from mmgreen.recipes import MadeConfigs, make_configs, this_machine

    def make(out: Path, steps: int | None) -> MadeConfigs:
        return make_configs(
            args.folder,
            out,
            this_machine(args.gpu_memory),
            args.model,
            args.start,
            args.crowds_as_objects,
            args.seed,
            args.split,
            args.teacher,
            args.teacher_weights,
            args.unlabelled,
            steps,
            args.newer,
            args.tile,
        )

    with one_sentence():
        if args.minutes:
            from mmgreen.apis import steps_in
            from mmgreen.config import load_config

            with tempfile.TemporaryDirectory() as folder:
                tried = make(Path(folder, args.out.resolve().name), None).configs[0]
                args.steps = steps_in(load_config(tried), args.minutes)
        made = make(args.out, args.steps)
    data = made.dataset
    print(f'{args.folder}: {data.format}')
    for split, images in data.splits.items():
        objects = f', {data.counts(split).total()} objects' if data.labelled else ''
        print(f'  {split}: {len(images)} images{objects}')
    for line in (*data.account(), *data.notes):
        print(f'  {printable(line)}')
    for config, work_dir in zip(made.configs, made.work_dirs, strict=True):
        print(f'mmgreen train {shlex.quote(str(config))}   # writes to {work_dir}')
    if made.advised_start:
        print(
            'The detector begins from scratch. Weights of ImageNet are worth much where labels are few: '
            f'--start {made.advised_start}'
        )
