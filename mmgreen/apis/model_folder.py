"""A backbone as a folder of timm's or of transformers' layout, as the Hugging Face Hub holds it."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from mmgreen.checkpoints import SwinArchitecture
from mmgreen.datasets.names import printable
from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.version import __version__

# Any of timm's Swin, whose settings are then overridden.
_TIMM = 'swin_tiny_patch4_window7_224'
# Of ImageNet.
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def as_safetensors(weights: Mapping[str, Tensor]) -> bytes:
    """Weights as the content of a ``.safetensors`` file."""
    return safetensors.torch.save({k: v.contiguous() for k, v in weights.items()})


def write_model_folder(
    folder: Path, weights: Mapping[str, Tensor], found: SwinArchitecture, source: str, style: str
) -> None:
    """Write ``model.safetensors``, a library's ``config.json`` and a model card, ``README.md``.

    ``timm.create_model('local-dir:FOLDER', pretrained=True)`` or ``transformers.AutoModel.from_pretrained('FOLDER')`` loads
    it, and once it is uploaded the same with its name on the Hub.

    Args:
        folder: Folder to write into.
        weights: Weights of a backbone, by the library's names.
        found: Its architecture.
        source: Name of the checkpoint that it is from.
        style: ``'timm'`` or ``'transformers'``.

    Raises:
        UserError: If windows differ from stage to stage in a way that the library does not know, or a
            file cannot be written.
    """
    files = (_of_timm if style == 'timm' else _of_transformers)(found)
    parameters = sum(w.numel() for w in weights.values())
    write_whole(folder / 'README.md', _card(found, parameters, source, style))
    for name, content in files.items():
        write_whole(folder / name, json.dumps(content, indent=2) + '\n')
    write_whole(folder / 'model.safetensors', as_safetensors(weights))


def _of_timm(found: SwinArchitecture) -> dict[str, dict]:
    size, first = found.image_size, found.windows[0]
    # timm's windows are of one size, but for maps that are smaller.
    if any(w != min(first, size // (4 << stage)) for stage, w in enumerate(found.windows)):
        raise UserError(f'timm has no Swin with windows of {found.windows}')
    config = dict(
        architecture=_TIMM,
        num_classes=0,
        num_features=found.embed_dims << len(found.depths) - 1,
        model_args=dict(
            img_size=size,
            window_size=first,
            embed_dim=found.embed_dims,
            depths=list(found.depths),
            num_heads=list(found.num_heads),
        ),
        pretrained_cfg=dict(
            input_size=[3, size, size],
            fixed_input_size=False,
            interpolation='bicubic',
            mean=_MEAN,
            std=_STD,
            num_classes=0,
            first_conv='patch_embed.proj',
        ),
    )
    return {'config.json': config}


def _of_transformers(found: SwinArchitecture) -> dict[str, dict]:
    size, first = found.image_size, found.windows[0]
    if set(found.windows) != {first}:
        raise UserError(f'transformers has no Swin with windows of {found.windows}')
    config = dict(
        architectures=['SwinModel'],
        model_type='swin',
        image_size=size,
        patch_size=4,
        num_channels=3,
        embed_dim=found.embed_dims,
        depths=list(found.depths),
        num_heads=list(found.num_heads),
        window_size=first,
    )
    images = dict(
        image_processor_type='ViTImageProcessor',
        size=dict(height=size, width=size),
        image_mean=_MEAN,
        image_std=_STD,
        resample=3,  # bicubic
    )
    return {'config.json': config, 'preprocessor_config.json': images}


def _card(found: SwinArchitecture, parameters: int, source: str, style: str) -> str:
    size = found.image_size
    if style == 'timm':
        use = """import timm

model = timm.create_model('hf-hub:OWNER/NAME', pretrained=True)  # or local-dir:FOLDER"""
    else:
        use = """from transformers import AutoModel

model = AutoModel.from_pretrained('OWNER/NAME', add_pooling_layer=False)  # or FOLDER"""
    shown = printable(source).replace('`', "'")  # it stands between two of them
    return f"""---
library_name: {style}
pipeline_tag: image-feature-extraction
tags:
- {style}
- mmgreen
- masked-image-modeling
- swin-transformer
---

# A Swin Transformer of mmgreen

Pre-trained by masked image modelling, without labels, or fine-tuned: what `{shown}` holds. It is a
backbone, without a classifier.

| | |
|---|---|
| architecture | Swin, {found} |
| parameters | {parameters / 1e6:.1f} million |
| image size | {size} x {size} pixels, or any other |
| input | RGB, normalised by ImageNet's mean and deviation |
| written by | mmgreen {__version__} |

Say here which images it was trained on, for how long, and under which licence it may be used.

## Use

```python
{use}
```

In a config of mmgreen, OpenMMLab's detectors included:

```python
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='hf://OWNER/NAME')))
```

## Method

GreenMIM: [Green Hierarchical Vision Transformer for Masked Image
Modeling](https://arxiv.org/abs/2205.13515).
"""
