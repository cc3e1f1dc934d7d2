"""The mathematics of visible patches: masks, grouping, layout, attention.

Everything here needs torch and numpy only, and knows of no model: a mask goes
in, index tensors come out (:class:`Layout`), and
:func:`group_window_attention` runs over them.
"""

from .attention import attend_in_groups, group_window_attention, pair_bias
from .grouping import GROUPINGS, attention_cost, optimal_grouping, tile_cost, tile_grouping
from .layout import Layout
from .masking import block_mask, grid_mask, num_visible, random_mask
from .places import Places, fill_places
from .precision import autocast_dtype
from .window_map import Window
from .windows import Windows

__all__ = [
    'GROUPINGS',
    'Layout',
    'Places',
    'Window',
    'Windows',
    'attend_in_groups',
    'attention_cost',
    'autocast_dtype',
    'block_mask',
    'fill_places',
    'grid_mask',
    'group_window_attention',
    'num_visible',
    'pair_bias',
    'optimal_grouping',
    'tile_cost',
    'tile_grouping',
    'random_mask',
]
