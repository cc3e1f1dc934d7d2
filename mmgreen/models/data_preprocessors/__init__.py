from .quick import DetDataPreprocessor, SelfSupDataPreprocessor

__all__ = ['DetDataPreprocessor', 'SelfSupDataPreprocessor']
