"""Checkpoints of other projects, and for them: converted and verified."""

import importlib.util
import io
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mmgreen.checkpoints import (
    STYLES,
    Converted,
    SwinArchitecture,
    TwinsArchitecture,
    architecture_of,
    convert,
    holds_average,
    read_checkpoint,
    revert,
    unwrap,
)
from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.models.necks.greenmim_decoder import sincos_positions
from mmgreen.registry import MODELS

from .model_folder import as_safetensors, write_model_folder

#: Whose names a checkpoint can be given: styles of :data:`~mmgreen.checkpoints.STYLES`.
TARGETS = {
    'mmgreen': 'mmpretrain',
    'swin': 'official',
    'timm': 'timm',
    'transformers': 'transformers',
}
# Whose folders can be written.
_FOLDERS = ('timm', 'transformers')
# Largest difference of outputs that rounding in another order explains.
_TOLERANCE = 1e-4


def convert_checkpoint(src: Path, dst: Path, to: str = 'mmgreen') -> None:
    """Convert a Swin or Twins checkpoint of another project into one of this project, or back.

    What the source is follows from the names of its weights. The result is verified
    before it is written: converted back it equals the source to the bit, and it gives
    the same outputs as the source's own library, where that is installed. What is
    found, and what is left out, is printed.

    Args:
        src: Checkpoint to read.
        dst: Checkpoint to write: by its ending one of safetensors or of torch, or where there is none,
            a folder with a model card (of a Swin, ``to='timm'`` or ``'transformers'``).
        to: One of :data:`TARGETS`.

    Raises:
        UserError: If the source cannot be read, has an unknown format, or does not
            come through unchanged. Nothing is written then.
    """
    checkpoint = read_checkpoint(str(src))
    state = unwrap(checkpoint)
    torch.manual_seed(0)
    try:
        converted = convert(state)
        backbone = converted.backbone
        average = ', the moving average of its weights' if holds_average(checkpoint) else ''
        print(f'{src}: {converted.kind} by {STYLES[converted.style]}{average}')
        print(f'  backbone of {architecture_of(backbone)}')
        _check_positions(state)
        same = _check_round_trip(state, converted)
        print(f'  round trip: {same} of {same} tensors equal to the bit')
        inner = {
            k.removeprefix(converted.prefix): v
            for k, v in state.items()
            if k.startswith(converted.prefix)
        }
        print(f'  {_check_outputs(inner, converted.style, backbone)}')
        target = TARGETS[to]
        found = architecture_of(backbone)
        if not dst.suffix and not (isinstance(found, SwinArchitecture) and to in _FOLDERS):
            raise UserError(
                f'{dst} has no ending, as a folder has, and only a Swin by --to timm or transformers is written as '
                'one: name a file that ends in .pth or .safetensors'
            )
        if to == 'mmgreen':
            result, dropped = converted.weights, converted.dropped
            written: dict = dict(state_dict=result, meta=dict(source=str(src)))
        else:
            result, dropped = revert(converted.weights, target)
            written = dict(model=result) if to == 'swin' else result
            print(f'  as {to}: {_check_outputs(result, target, backbone)}')
    except UserError as error:
        raise UserError(f'cannot convert {src}: {error}') from error
    except RuntimeError as error:  # a shape that no Swin has
        fault = str(error).strip().splitlines()[-1].strip()
        raise UserError(f'cannot convert {src}: it is not a complete Swin ({fault})') from error
    if isinstance(found, SwinArchitecture) and not dst.suffix:
        write_model_folder(dst, _one_norm(result, found), found, src.name, target)
    elif dst.suffix == '.safetensors':
        write_whole(dst, as_safetensors(result))
    else:
        content = io.BytesIO()
        torch.save(written, content)
        write_whole(dst, content.getvalue())
    print(f'{dst}: {len(result)} tensors by {STYLES[target]}')
    for reason, names in dropped.items():
        print(f'  dropped {len(names)}, {reason}: {names[0]}' + (' ...' if len(names) > 1 else ''))


def _one_norm(state: Mapping[str, Tensor], found: SwinArchitecture) -> dict[str, Tensor]:
    """Weights with the norm of the last stage only, by timm's name; detectors have one of each."""
    last = f'norm{len(found.depths) - 1}.'
    named = {k.replace(last, 'norm.') if k.startswith(last) else k: v for k, v in state.items()}
    return {k: v for k, v in named.items() if not re.match(r'norm\d\.', k)}


def _check_round_trip(state: Mapping[str, Tensor], converted: Converted) -> int:
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


def _check_outputs(state: Mapping[str, Tensor], style: str, weights: Mapping[str, Tensor]) -> str:
    """Compare features of a random image with those of the library that the names are of.

    Args:
        state: Weights by the names of ``style``, backbone without prefix.
        style: One of :data:`~mmgreen.checkpoints.STYLES`.
        weights: The same by this project's names.

    Returns:
        What was found, in words.

    Raises:
        UserError: If they differ.
    """
    library = 'timm' if style == 'official' else style
    if importlib.util.find_spec(library) is None:
        return f'outputs not compared: {library} is not installed'
    found = architecture_of(weights)
    images = torch.randn(1, 3, found.image_size, found.image_size)
    judge = _JUDGES[library](state, found)
    with torch.no_grad():
        ours = _mmgreen_backbone(weights)(images)[-1]
        difference = (ours - judge(images)).abs().max().item()
    if not difference <= _TOLERANCE * max(1.0, ours.abs().max().item()):
        raise UserError(f'its outputs differ from those of {library} by {difference:.1e}')
    return f'outputs equal those of {library}: largest difference {difference:.1e}'


def _check_positions(state: Mapping[str, Tensor]) -> None:
    """Refuse decoder positions that are not the fixed ones, which the decoder computes."""
    position = state.get('decoder_pos_embed')
    if position is None:
        return
    side = round(position.shape[1] ** 0.5)
    ours = sincos_positions(side, side, position.shape[2])
    if ours.shape != position.shape or not torch.allclose(ours, position.cpu(), atol=1e-4):
        raise UserError('its decoder_pos_embed is not the fixed sin-cos one')


def _mmgreen_backbone(weights: Mapping[str, Tensor]) -> nn.Module:
    """This project's backbone with weights by its own names."""
    config = architecture_of(weights).config
    model = MODELS.build({**config, 'type': _GREEN[config['type']], 'init_cfg': None})
    model.load_state_dict(weights, strict=False)
    model.eval()
    return model


#: This project's backbone for each of mmpretrain's.
_GREEN = {
    'SwinTransformer': 'mmgreen.GreenSwinTransformer',
    'SVT': 'mmgreen.GreenTwins',
    'PCPVT': 'mmgreen.GreenPCPVT',
}


def _mmpretrain_features(
    state: Mapping[str, Tensor], found: SwinArchitecture | TwinsArchitecture
) -> Callable:
    """mmpretrain's backbone with weights by mmpretrain's names."""
    from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

    model = MMPRETRAIN_MODELS.build(found.config)
    model.load_state_dict(state, strict=False)
    model.eval()
    return lambda images: model(images)[-1]


def _timm_features(
    state: Mapping[str, Tensor], found: SwinArchitecture | TwinsArchitecture
) -> Callable:
    """timm's backbone with weights by timm's names or, through its own filter, the official ones."""
    if isinstance(found, TwinsArchitecture):
        return _timm_twins_features(state, found)
    from timm.models.swin_transformer import SwinTransformer, checkpoint_filter_fn

    model = SwinTransformer(
        img_size=found.image_size,
        window_size=found.windows[0],
        embed_dim=found.embed_dims,
        depths=found.depths,
        num_heads=found.num_heads,
        num_classes=0,
    )
    weights = checkpoint_filter_fn(_one_norm(state, found), model)
    model.load_state_dict({k: v for k, v in weights.items() if k in model.state_dict()})
    model.eval()
    return lambda images: model.forward_features(images).permute(0, 3, 1, 2)


def _timm_twins_features(state: Mapping[str, Tensor], found: TwinsArchitecture) -> Callable:
    """timm's Twins, whose names are the official ones."""
    from timm.models.twins import Twins

    model = Twins(
        img_size=found.image_size,
        embed_dims=found.embed_dims,
        num_heads=found.num_heads,
        mlp_ratios=found.mlp_ratios,
        depths=found.depths,
        sr_ratios=found.sr_ratios,
        wss=(7,) * len(found.depths) if found.local else None,
        num_classes=0,
        norm_layer=nn.LayerNorm,  # its eps is mmpretrain's
    )
    model.load_state_dict({k: v for k, v in state.items() if k in model.state_dict()})
    model.eval()
    side = found.image_size >> len(found.depths) + 1
    return lambda images: model.forward_features(images).transpose(1, 2).unflatten(2, (side, side))


def _transformers_features(
    state: Mapping[str, Tensor], found: SwinArchitecture | TwinsArchitecture
) -> Callable:
    """The Swin of transformers, which reads a folder."""
    from transformers import SwinModel
    from transformers.utils import logging

    assert isinstance(found, SwinArchitecture)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        weights = {k: v for k, v in state.items() if not k.startswith('classifier.')}
        write_model_folder(Path(folder), weights, found, '', 'transformers')
        model = SwinModel.from_pretrained(folder, add_pooling_layer=False)
    model.eval()
    side = found.image_size >> len(found.depths) + 1
    return lambda images: model(images).last_hidden_state.transpose(1, 2).unflatten(2, (side, side))


_JUDGES = {
    'mmpretrain': _mmpretrain_features,
    'timm': _timm_features,
    'transformers': _transformers_features,
}
