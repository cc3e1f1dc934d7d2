"""Datasets: folders of images, COCO with the categories of the file; other formats, checks, demo.

The registered classes are imported when they are asked for: mmdet and mmpretrain are slow to
import, and much here does without them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs=dict(
        coco_dataset=['CocoDataset'], folders=['LabelledDataset', 'UnlabelledDataset']
    ),
)
