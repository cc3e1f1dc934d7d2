"""The mathematics of visible patches: masks, grouping, layout, attention.

Everything here needs torch and numpy only, and knows of no model: a mask goes
in, index tensors come out (:class:`Layout`), and
:func:`group_window_attention` runs over them.
"""

from .attention import group_window_attention
from .grouping import attention_cost, fullest_subset, optimal_grouping, pack
from .layout import Layout, Windows
from .masking import num_visible, random_mask

__all__ = [
    'Layout',
    'Windows',
    'attention_cost',
    'fullest_subset',
    'group_window_attention',
    'num_visible',
    'optimal_grouping',
    'pack',
    'random_mask',
]
