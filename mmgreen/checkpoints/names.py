"""What the weights of a backbone are called by different projects."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """How the backbones of one kind are named by different projects.

    ``{i}`` and ``{j}`` are numbers, ``{last}`` is that of the last stage.

    Attributes:
        name: What a classifier of it is called in :data:`KINDS`.
        version: The version that is meant, in words.
        backbone: Names of the official backbone (GreenMIM, SimMIM too) and of mmpretrain's.
        last_norm: Those of the norm after the last stage.
        stages: What the official and mmpretrain's stages are called.
        probes: A name that the backbone has, by style.
    """

    name: str
    version: str
    backbone: list[tuple[str, str]]
    last_norm: tuple[str, str]
    stages: tuple[str, str]
    probes: dict[str, str]


SWIN = Family(
    'Swin',
    'Swin of version 1',
    [
        ('patch_embed.proj', 'patch_embed.projection'),
        ('patch_embed.norm', 'patch_embed.norm'),
        ('absolute_pos_embed', 'absolute_pos_embed'),
        ('layers.{i}.blocks.{j}.norm1', 'stages.{i}.blocks.{j}.norm1'),
        ('layers.{i}.blocks.{j}.norm2', 'stages.{i}.blocks.{j}.norm2'),
        ('layers.{i}.blocks.{j}.attn', 'stages.{i}.blocks.{j}.attn.w_msa'),
        ('layers.{i}.blocks.{j}.mlp.fc1', 'stages.{i}.blocks.{j}.ffn.layers.0.0'),
        ('layers.{i}.blocks.{j}.mlp.fc2', 'stages.{i}.blocks.{j}.ffn.layers.1'),
        ('layers.{i}.downsample', 'stages.{i}.downsample'),
    ],
    ('norm', 'norm{last}'),
    ('layers', 'stages'),
    {
        'mmpretrain': 'stages.0.blocks.0.attn.w_msa.qkv.weight',
        'official': 'layers.0.blocks.0.attn.qkv.weight',
    },
)
#: Names of SVT and PCPVT; timm has the official ones.
TWINS = Family(
    'Twins',
    'Twins',
    [
        ('patch_embeds.{i}.proj', 'patch_embeds.{i}.projection'),
        ('patch_embeds.{i}.norm', 'patch_embeds.{i}.norm'),
        ('blocks.{i}.{j}.norm1', 'stages.{i}.{j}.norm1'),
        ('blocks.{i}.{j}.norm2', 'stages.{i}.{j}.norm2'),
        ('blocks.{i}.{j}.attn', 'stages.{i}.{j}.attn'),
        ('blocks.{i}.{j}.mlp.fc1', 'stages.{i}.{j}.ffn.layers.0.0'),
        ('blocks.{i}.{j}.mlp.fc2', 'stages.{i}.{j}.ffn.layers.1'),
        ('pos_block.{i}.proj.0', 'position_encodings.{i}.proj'),
    ],
    ('norm', 'norm_after_stage{last}'),
    ('blocks', 'stages'),
    {
        'mmpretrain': 'stages.0.0.attn.proj.weight',
        'official': 'blocks.0.0.attn.proj.weight',
    },
)
FAMILIES = (SWIN, TWINS)

#: Stands for the family's, in :data:`KINDS`.
LAST_NORM = ('last_norm', 'last_norm')
#: What else a backbone has, and what stands beside it, in the same order of names.
KINDS = {
    'GreenMIM': (
        [LAST_NORM],
        [
            ('mask_token', 'neck.mask_token'),
            ('decoder_embed', 'neck.decoder_embed'),
            ('decoder_blocks.{i}.norm1', 'neck.decoder_blocks.{i}.ln1'),
            ('decoder_blocks.{i}.norm2', 'neck.decoder_blocks.{i}.ln2'),
            ('decoder_blocks.{i}.attn', 'neck.decoder_blocks.{i}.attn'),
            ('decoder_blocks.{i}.mlp.fc1', 'neck.decoder_blocks.{i}.ffn.layers.0.0'),
            ('decoder_blocks.{i}.mlp.fc2', 'neck.decoder_blocks.{i}.ffn.layers.1'),
            ('decoder_norm', 'neck.decoder_norm'),
            ('decoder_pred', 'neck.decoder_pred'),
        ],
    ),
    'SimMIM': ([LAST_NORM, ('mask_token', 'mask_token')], [('decoder.0', 'neck.decoder.0')]),
    'Swin': ([LAST_NORM], [('head', 'head.fc')]),
    'Twins': ([LAST_NORM], [('head', 'head.fc')]),
    'Swin detector': ([('norm{i}', 'norm{i}')], []),
}
STYLES = {
    'official': 'the official names',
    'timm': "timm's names",
    'transformers': "transformers' names",
    'mmpretrain': "mmpretrain's names",
}
_BLOCK, _THEIRS = 'layers.{i}.blocks.{j}', 'encoder.layers.{i}.blocks.{j}'
#: Official names of a Swin, and those in the files of transformers.
TRANSFORMERS = [
    ('patch_embed.proj', 'embeddings.patch_embeddings.projection'),
    ('patch_embed.norm', 'embeddings.norm'),
    ('absolute_pos_embed', 'embeddings.position_embeddings'),
    *[
        (f'{_BLOCK}.{ours}', f'{_THEIRS}.{theirs}')
        for ours, theirs in {
            'norm1': 'layernorm_before',
            'norm2': 'layernorm_after',
            'attn.relative_position_bias_table': 'attention.self.relative_position_bias_table',
            'attn.query': 'attention.self.query',
            'attn.key': 'attention.self.key',
            'attn.value': 'attention.self.value',
            'attn.proj': 'attention.output.dense',
            'mlp.fc1': 'intermediate.dense',
            'mlp.fc2': 'output.dense',
        }.items()
    ],
    ('layers.{i}.downsample', 'encoder.layers.{i}.downsample'),
    ('norm', 'layernorm'),
]


def rename(key: str, table: list[tuple[str, str]], last: int = 0) -> str | None:
    """The name that a table of (from, to) gives a weight, or ``None``.

    Args:
        key: The weight's name.
        table: See :class:`Family`.
        last: Number of the last stage.
    """
    for source, target in table:
        source, target = (name.replace('{last}', str(last)) for name in (source, target))
        pattern = re.sub(r'\{(\w)\}', r'(?P<\1>\\d+)', source.replace('.', r'\.'))
        new, found = re.subn(rf'^{pattern}(?=\.|$)', re.sub(r'\{(\w)\}', r'\\g<\1>', target), key)
        if found:
            return new
    return None
