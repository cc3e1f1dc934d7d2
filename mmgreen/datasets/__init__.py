"""Datasets: unlabelled images, and COCO with the categories of the file."""

from .coco import CocoDataset
from .unlabelled import UnlabelledDataset

__all__ = ['CocoDataset', 'UnlabelledDataset']
