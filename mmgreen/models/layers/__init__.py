from .linear_after import linear_after

__all__ = ['linear_after']
