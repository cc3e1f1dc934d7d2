"""Nets that were trained before, whose features are what others learn."""

from .teacher import Teacher, kind_of

__all__ = ['Teacher', 'kind_of']
