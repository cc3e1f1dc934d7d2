#!/usr/bin/env python
"""Convert an official GreenMIM checkpoint into one that loads strictly into GreenMIM."""

import argparse
import os
import re
from collections import Counter

import torch
from mmpretrain.models.utils.attention import WindowMSA

import mmgreen  # noqa: F401
from mmgreen.engine import ALLOW_PICKLE, read_checkpoint
from mmgreen.errors import UserError, one_sentence
from mmgreen.models.necks.greenmim_decoder import sincos_positions

# Derived from the geometry, so neither read nor missed.
DERIVED = re.compile(r'relative_position_index$|relative_coords|attn_mask$|decoder_pos_embed$')

RENAME = [
    (r'^encoder\.norm\.', 'backbone.norm{last}.'),
    (r'^encoder\.patch_embed\.proj\.', 'backbone.patch_embed.projection.'),
    (r'^encoder\.patch_embed\.norm\.', 'backbone.patch_embed.norm.'),
    (r'^encoder\.layers\.(\d+)\.downsample\.', r'backbone.stages.\1.downsample.'),
    (
        r'^encoder\.layers\.(\d+)\.blocks\.(\d+)\.(norm[12])\.',
        r'backbone.stages.\1.blocks.\2.\3.',
    ),
    (
        r'^encoder\.layers\.(\d+)\.blocks\.(\d+)\.attn\.',
        r'backbone.stages.\1.blocks.\2.attn.w_msa.',
    ),
    (
        r'^encoder\.layers\.(\d+)\.blocks\.(\d+)\.mlp\.fc1\.',
        r'backbone.stages.\1.blocks.\2.ffn.layers.0.0.',
    ),
    (
        r'^encoder\.layers\.(\d+)\.blocks\.(\d+)\.mlp\.fc2\.',
        r'backbone.stages.\1.blocks.\2.ffn.layers.1.',
    ),
    (r'^decoder_blocks\.(\d+)\.norm([12])\.', r'neck.decoder_blocks.\1.ln\2.'),
    (r'^decoder_blocks\.(\d+)\.attn\.', r'neck.decoder_blocks.\1.attn.'),
    (r'^decoder_blocks\.(\d+)\.mlp\.fc1\.', r'neck.decoder_blocks.\1.ffn.layers.0.0.'),
    (r'^decoder_blocks\.(\d+)\.mlp\.fc2\.', r'neck.decoder_blocks.\1.ffn.layers.1.'),
    (r'^(mask_token$|decoder_embed\.|decoder_norm\.|decoder_pred\.)', r'neck.\1'),
]


def merge_order(weight: torch.Tensor) -> torch.Tensor:
    """Reorder the last dimension, 4*C, of a patch merging weight.

    Official: patches (0,0), (1,0), (0,1), (1,1) as (row, column), C channels
    each. mmpretrain: channel-major, c * 4 + row * 2 + column.
    """
    patches = weight.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]
    return patches.transpose(-1, -2).flatten(-2)


def relative_position_index(table: torch.Tensor) -> torch.Tensor:
    """mmpretrain's index buffer for a bias table of ((2w-1)**2, heads)."""
    side = (round(len(table) ** 0.5) + 1) // 2
    return WindowMSA(1, (side, side), 1).relative_position_index


def convert(official: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename and reorder the weights of an official GreenMIM model.

    Args:
        official: Its state dict, encoder under ``encoder.``.

    Returns:
        State dict of :class:`mmgreen.models.GreenMIM`.

    Raises:
        UserError: If a name is not one of GreenMIM's, or there is no encoder.
    """
    stages = [int(m[1]) for key in official if (m := re.match(r'encoder\.layers\.(\d+)\.', key))]
    if not stages:
        raise UserError("it has no weights named 'encoder.layers...', so it is not from GreenMIM")
    converted = {}
    for key, value in official.items():
        if DERIVED.search(key):
            continue
        for pattern, name in RENAME:
            new, found = re.subn(pattern, name.replace('{last}', str(max(stages))), key)
            if found:
                break
        else:
            raise UserError(f"it has a weight named '{key}', which GreenMIM does not have")
        if '.downsample.' in new:
            value = merge_order(value)
        converted[new] = value
        if new.endswith('relative_position_bias_table'):
            converted[new.replace('_bias_table', '_index')] = relative_position_index(value)
    return converted


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s checkpoint-799.pth greenmim_swin-base_official.pth',
    )
    parser.add_argument('src', help='official GreenMIM checkpoint')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='read a checkpoint that holds pickled objects; they can run code, so trust its source',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.allow_pickle:
        os.environ[ALLOW_PICKLE] = '1'
    with one_sentence():
        checkpoint = read_checkpoint(args.src)
        official = checkpoint.get('model', checkpoint)
        try:
            converted = convert(official)
        except UserError as error:
            raise UserError(f'cannot convert {args.src}: {error}') from error
        position = official.get('decoder_pos_embed')
        if position is not None:
            side = round(position.shape[1] ** 0.5)
            ours = sincos_positions(side, side, position.shape[2])
            if ours.shape != position.shape or not torch.allclose(ours, position.cpu(), atol=1e-4):
                raise UserError(
                    f'cannot convert {args.src}: its decoder_pos_embed is not the fixed sin-cos one'
                )
        partial = f'{args.dst}.partial'
        try:
            torch.save(dict(state_dict=converted, meta=dict(source=args.src)), partial)
            os.replace(partial, args.dst)
        except (OSError, RuntimeError) as error:
            if os.path.exists(partial):
                os.remove(partial)
            raise UserError(f'cannot write {args.dst}: {error}') from error
    dropped = Counter(key.rsplit('.', 1)[-1] for key in official if DERIVED.search(key))
    print(f'{args.dst}: {len(converted)} tensors of GreenMIM')
    for name, count in dropped.items():
        print(f'  dropped {count} x {name}: derived from the geometry')


if __name__ == '__main__':
    main()
