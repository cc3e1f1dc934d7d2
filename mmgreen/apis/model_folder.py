"""A backbone as a folder of timm's layout, as the Hugging Face Hub holds it."""

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


def as_safetensors(weights: Mapping[str, Tensor]) -> bytes:
    """Weights as the content of a ``.safetensors`` file."""
    return safetensors.torch.save({k: v.contiguous() for k, v in weights.items()})


def write_model_folder(
    folder: Path, weights: Mapping[str, Tensor], found: SwinArchitecture, source: str
) -> None:
    """Write ``model.safetensors``, timm's ``config.json`` and a model card, ``README.md``.

    ``timm.create_model('local-dir:FOLDER', pretrained=True)`` loads it, and once it is uploaded
    ``hf-hub:OWNER/NAME``.

    Args:
        folder: Folder to write into.
        weights: Weights of a backbone, by timm's names.
        found: Its architecture.
        source: Name of the checkpoint that it is from.

    Raises:
        UserError: If windows differ from stage to stage in a way that timm does not know, or a
            file cannot be written.
    """
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
            mean=[0.485, 0.456, 0.406],
            std=[0.229, 0.224, 0.225],
            num_classes=0,
            first_conv='patch_embed.proj',
        ),
    )
    parameters = sum(w.numel() for w in weights.values())
    write_whole(folder / 'README.md', _card(found, parameters, size, source))
    write_whole(folder / 'config.json', json.dumps(config, indent=2) + '\n')
    write_whole(folder / 'model.safetensors', as_safetensors(weights))


def _card(found: SwinArchitecture, parameters: int, size: int, source: str) -> str:
    shown = printable(source).replace('`', "'")  # it stands between two of them
    return f"""---
library_name: timm
pipeline_tag: image-feature-extraction
tags:
- timm
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
import timm

model = timm.create_model('hf-hub:OWNER/NAME', pretrained=True)  # or local-dir:FOLDER
```

In a config of mmgreen, OpenMMLab's detectors included:

```python
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='hf://OWNER/NAME')))
```

## Method

GreenMIM: [Green Hierarchical Vision Transformer for Masked Image
Modeling](https://arxiv.org/abs/2205.13515).
"""
