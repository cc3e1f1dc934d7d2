"""Millions of images in few large files: tar shards of WebDataset's layout, with an index.

A tar needs no library to be written or looked into, WebDataset and `tar` read it as it is; the index
beside it says at which byte each image is, so that any of them is one read, in any order, as
map-style datasets and resuming want it. LitData and Parquet serve random access, too, but in formats
of their own, whose readers bring their own shuffling, which a run could not take up to the bit.
"""

from .index import INDEX, Index, Shard
from .reading import Pack, PackError, is_pack, open_pack
from .writing import PackingResult, check_pack, pack_folder

__all__ = [
    'INDEX',
    'Index',
    'Pack',
    'PackError',
    'PackingResult',
    'Shard',
    'check_pack',
    'is_pack',
    'open_pack',
    'pack_folder',
]
