#!/usr/bin/env python
"""Convert a Swin checkpoint of another project into one of this project, or back.

What the source is follows from the names of its weights: GreenMIM, SimMIM or Swin
(version 1) by the official names, timm's, or those of mmpretrain, mmdetection and
this project. The result is verified before it is written: converted back it equals
the source to the bit, and it gives the same outputs as the source's own library,
where that is installed.
"""

import argparse
import importlib.util
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

import mmgreen  # noqa: F401
from mmgreen.engine import ALLOW_PICKLE, SwinArchitecture, read_checkpoint
from mmgreen.engine.formats import STYLES, Converted, convert, revert, unwrap
from mmgreen.errors import UserError, one_sentence
from mmgreen.files import write_whole
from mmgreen.models.necks.greenmim_decoder import sincos_positions
from mmgreen.registry import MODELS

#: Largest difference of outputs that rounding in another order explains.
TOLERANCE = 1e-4
TARGETS = {'mmgreen': 'mmpretrain', 'swin': 'official', 'timm': 'timm'}


def check_round_trip(state: Mapping[str, Tensor], converted: Converted) -> int:
    """Number of tensors that come back to the bit.

    Raises:
        UserError: If one does not.
    """
    back, _ = revert(converted.weights, converted.style, converted.prefix, converted.kind)
    dropped = {name for names in converted.dropped.values() for name in names}
    for key in state.keys() - dropped:
        if key not in back or not torch.equal(back[key], state[key]):
            raise UserError(f"'{key}' does not come back to the bit")
    return len(state.keys() - dropped)


def mmgreen_backbone(weights: Mapping[str, Tensor]) -> nn.Module:
    """This project's backbone with weights by its own names."""
    found = SwinArchitecture.of(weights)
    model = MODELS.build(
        dict(
            type='mmgreen.GreenSwinTransformer',
            arch=found.arch,
            window_size=found.windows[0],
            stage_cfgs=[dict(window_size=window) for window in found.windows],
            img_size=found.image_size,
            init_cfg=None,
        )
    )
    model.load_state_dict(weights, strict=False)
    model.eval()
    return model


def mmpretrain_features(state: Mapping[str, Tensor], found: SwinArchitecture) -> Callable:
    """mmpretrain's Swin with weights by mmpretrain's names."""
    from mmpretrain.models import SwinTransformer

    model = SwinTransformer(
        arch=found.arch,
        stage_cfgs=[dict(window_size=window) for window in found.windows],
        img_size=found.image_size,
    )
    model.load_state_dict(state, strict=False)
    model.eval()
    return lambda images: model(images)[-1]


def timm_features(state: Mapping[str, Tensor], found: SwinArchitecture) -> Callable:
    """timm's Swin with weights by timm's names or, through its own filter, the official ones."""
    from timm.models.swin_transformer import SwinTransformer, checkpoint_filter_fn

    model = SwinTransformer(
        img_size=found.image_size,
        window_size=found.windows[0],
        embed_dim=found.embed_dims,
        depths=found.depths,
        num_heads=found.num_heads,
        num_classes=0,
    )
    last = f'norm{len(found.depths) - 1}.'  # so called in detectors
    state = {k.replace(last, 'norm.') if k.startswith(last) else k: v for k, v in state.items()}
    weights = checkpoint_filter_fn(state, model)
    model.load_state_dict({k: v for k, v in weights.items() if k in model.state_dict()})
    model.eval()
    return lambda images: model.forward_features(images).permute(0, 3, 1, 2)


def check_outputs(state: Mapping[str, Tensor], style: str, weights: Mapping[str, Tensor]) -> str:
    """Compare features of a random image with those of the library that the names are of.

    Args:
        state: Weights by the names of ``style``, backbone without prefix.
        style: ``'official'``, ``'timm'`` or ``'mmpretrain'``.
        weights: The same by this project's names.

    Returns:
        What was found, in words.

    Raises:
        UserError: If they differ.
    """
    library = 'mmpretrain' if style == 'mmpretrain' else 'timm'
    if importlib.util.find_spec(library) is None:
        return f'outputs not compared: {library} is not installed'
    found = SwinArchitecture.of(weights)
    images = torch.randn(1, 3, found.image_size, found.image_size)
    judge = (mmpretrain_features if library == 'mmpretrain' else timm_features)(state, found)
    with torch.no_grad():
        ours = mmgreen_backbone(weights)(images)[-1]
        difference = (ours - judge(images)).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, ours.abs().max().item()):
        raise UserError(f'its outputs differ from those of {library} by {difference:.1e}')
    return f'outputs equal those of {library}: largest difference {difference:.1e}'


def check_positions(state: Mapping[str, Tensor]) -> None:
    """Refuse decoder positions that are not the fixed ones, which the decoder computes."""
    position = state.get('decoder_pos_embed')
    if position is None:
        return
    side = round(position.shape[1] ** 0.5)
    ours = sincos_positions(side, side, position.shape[2])
    if ours.shape != position.shape or not torch.allclose(ours, position.cpu(), atol=1e-4):
        raise UserError('its decoder_pos_embed is not the fixed sin-cos one')


def write(checkpoint: dict, path: Path) -> None:
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_whole(path, content.getvalue())


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  %(prog)s swin_base_patch4_window7_224.pth swin-base.pth
  %(prog)s work_dirs/pretrain/epoch_100.pth swin_base_timm.pth --to timm""",
    )
    parser.add_argument('src', type=Path, help='checkpoint to read')
    parser.add_argument('dst', type=Path, help='checkpoint to write')
    parser.add_argument(
        '--to',
        choices=TARGETS,
        default='mmgreen',
        help='whose names to write: mmgreen (which are those of mmpretrain; the default), the '
        'official ones of Swin, or those of timm',
    )
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
        state = unwrap(read_checkpoint(str(args.src)))
        torch.manual_seed(0)
        try:
            converted = convert(state)
            backbone = converted.backbone
            print(f'{args.src}: {converted.kind} by {STYLES[converted.style]}')
            print(f'  backbone of {SwinArchitecture.of(backbone)}')
            check_positions(state)
            same = check_round_trip(state, converted)
            print(f'  round trip: {same} of {same} tensors equal to the bit')
            inner = {
                k.removeprefix(converted.prefix): v
                for k, v in state.items()
                if k.startswith(converted.prefix)
            }
            print(f'  {check_outputs(inner, converted.style, backbone)}')
            target = TARGETS[args.to]
            if args.to == 'mmgreen':
                result, dropped = converted.weights, converted.dropped
                checkpoint = dict(state_dict=result, meta=dict(source=str(args.src)))
            else:
                result, dropped = revert(converted.weights, target)
                checkpoint = dict(model=result) if args.to == 'swin' else result
                print(f'  as {args.to}: {check_outputs(result, target, backbone)}')
        except UserError as error:
            raise UserError(f'cannot convert {args.src}: {error}') from error
        except RuntimeError as error:  # a shape that no Swin has
            fault = str(error).strip().splitlines()[-1].strip()
            raise UserError(f'cannot convert {args.src}: it is no whole Swin ({fault})') from error
        write(checkpoint, args.dst)
    print(f'{args.dst}: {len(result)} tensors by {STYLES[target]}')
    for reason, names in dropped.items():
        print(f'  dropped {len(names)}, {reason}: {names[0]}' + (' ...' if len(names) > 1 else ''))


if __name__ == '__main__':
    main()
