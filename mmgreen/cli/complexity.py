"""Count the floating-point operations and the parameters of a config's model.

Operations are those of a forward pass over one image, a multiplication and an
addition counted as two: for pre-training the loss on what the pipeline gives, for
classification the logits, for detection (1280x800 pixels, 1,000 proposals) and
segmentation (512x512) everything up to the heads' outputs. Operators that are not
matrix products are left out, as usual.
"""

from collections.abc import Sequence

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(__doc__, 'example: %(prog)s configs/greenmim/*.py')
    parser.add_argument(
        'configs',
        nargs='+',
        metavar='CONFIG',
        help='config file, or package::path of an installed library',
    )
    args = parser.parse_args(argv)
    from terminaltables import GithubFlavoredMarkdownTable

    from mmgreen.benchmark import complexity

    rows = [['config', 'height x width', 'FLOPs', 'parameters']]
    with one_sentence():
        for config in args.configs:
            (height, width), flops, parameters = complexity(config)
            name = config.rsplit('/', 1)[-1].removesuffix('.py')
            rows.append([name, f'{height}x{width}', str(flops), str(parameters)])
            print(f'{name}: done', flush=True)
    print(GithubFlavoredMarkdownTable(rows).table)
