"""Pack a folder of images into few large files, for shared clusters and object stores.

Images are reduced to a short side of 256 pixels, which is what crops of 224 are cut from, and
stored in tar shards beside an index. A config trains on a pack as on a folder: its data_root is
the pack, or an address of it (s3://bucket/pack). Called again after an interruption, it goes on.
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """examples:
  %(prog)s data/imagenet/train --out packs/imagenet/train
  mmgreen train CONFIG --cfg-options data_root=packs/imagenet/
  %(prog)s packs/imagenet/train --check""",
    )
    parser.add_argument('folder', type=Path, help='images, in class folders or not; or a pack')
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument('--out', type=Path, metavar='PACK', help='folder for the pack')
    mode.add_argument(
        '--check', action='store_true', help='compare the shards of a pack with hashes'
    )
    parser.add_argument(
        '--short-side', type=int, default=256, help='pixels; 0 keeps every image as it is'
    )
    parser.add_argument('--processes', type=int, help='by default as many as processors')
    args = parser.parse_args(argv)
    from mmgreen.datasets.packs import check_pack, pack_folder

    with one_sentence():
        if args.check:
            done = check_pack(args.folder)
        else:
            done = pack_folder(args.folder, args.out, args.short_side, args.processes)
    for name, why in sorted(done.left_out.items())[:10]:
        print(f'left out: {name} ({why})')
    if len(done.left_out) > 10:
        print(f'{len(done.left_out) - 10} more are left out: {args.out / "left_out.txt"}')
    print(f'{done.images} images, {done.bytes / 2**20:,.0f} MiB')
