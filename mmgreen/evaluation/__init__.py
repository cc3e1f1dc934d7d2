"""What mmpretrain and mmdet do not evaluate."""

from .knn import knn_predict

__all__ = ['knn_predict']
