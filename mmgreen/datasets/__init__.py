"""Datasets: folders of images, and COCO with the categories of the file."""

from .coco import CocoDataset
from .folders import LabelledDataset, UnlabelledDataset

__all__ = ['CocoDataset', 'LabelledDataset', 'UnlabelledDataset']
