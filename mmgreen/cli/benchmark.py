"""Time and memory of a training step, for any config of this project, mmpretrain or mmdet.

A bare step, the default on a CPU, is forward and backward over one batch of images
that went through the config's own pipeline (random ones, or those that a detector is trained on): the optimiser's work depends on the
parameters alone, and at a CPU's batch size it would weigh many times what it does in
training. A full step, the default on a GPU, is all that training does on the device:
transfer, preprocessing, loss scaling and the optimiser included. Every config runs in
a process of its own, in rounds that take turns, so that a machine whose speed drifts
hurts all alike; ratios are taken within a round, and their median is shown.

With --loading, it measures how many images a second one core loads (for detectors, too). With
--train, it compares a whole run of mmgreen train with its bare steps, at the config's own batch size.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """example:
  %(prog)s configs/greenmim/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k.py \\
      mmpretrain::simmim/simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py --floor
settings of one config follow it:
  %(prog)s CONFIG CONFIG model.backbone.grouping=pad CONFIG image_size=448
  %(prog)s --loading CONFIG data_root=FOLDER CONFIG data_root=FOLDER train_dataloader.repeats=4""",
    )
    add = parser.add_argument
    add(
        'configs',
        nargs='+',
        metavar='CONFIG [KEY=VALUE ...]',
        help='files, or package::path in an installed library; '
        'image_size is a setting of any that pre-trains',
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument('--loading', action='store_true', help='images/s of a core; see above')
    mode.add_argument('--train', action='store_true', help='whole runs beside steps; see above')
    add('--images', type=int, default=256, help='with --loading: images a round')
    add('--step', choices=['bare', 'full'], help='what a step is; see above')
    add('--batch-size', type=int, default=8)
    add(
        '--image-size',
        type=int,
        help='of pre-training, image size for all; by default that of each config',
    )
    add('--steps', type=int, help='timed steps a round: 5 on a CPU, 50 on a GPU')
    add('--rounds', type=int, default=3)
    add('--device', help='by default the GPU, or else the CPU')
    add('--amp', choices=['none', 'bf16', 'fp16'], default='none', help='mixed precision')
    add('--compile', action='store_true', help='through torch.compile')
    add('--floor', action='store_true', help='add the floor of the first config')
    add('--profile', action='store_true', help='list what a step spends its time on')
    add('--launches', action='store_true', help='count the kernels of a step of GreenMIM')
    add(
        '--devices',
        type=int,
        metavar='N',
        help="add the days that each config's epochs over ImageNet-1K take on N such devices, "
        'without loading of images, optimiser and communication',
    )
    add('--out', type=Path, help='write all figures to this JSON file')
    add('--plot', type=Path, help='plot all figures to this picture')
    args = parser.parse_args(argv)
    from mmgreen import benchmark

    names = [field.name for field in fields(benchmark.Settings)]
    with one_sentence():
        subjects = benchmark.read_subjects(args.configs, args.floor)
        given = {name: getattr(args, name) for name in names}
        settings = benchmark.Settings(**{k: v for k, v in given.items() if v is not None})
        about = settings.describe()
        print(', '.join(f'{key} {value}' for key, value in about.items()), flush=True)
        if args.loading:
            rows = benchmark.measure_loading(subjects, args.rounds, args.images)
            shown = benchmark.loading_table(rows)
        elif args.train:
            rows = benchmark.measure_training(subjects, settings)
            shown = benchmark.training_table(rows)
        else:
            rows = benchmark.summarise(benchmark.measure_in_turn(subjects, settings))
            shown = benchmark.table(rows, args.batch_size, args.devices)
        print('\n' + shown)
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(dict(machine=about, rows=rows), indent=1))
        if args.plot:
            benchmark.plot(rows, args.plot, about)
