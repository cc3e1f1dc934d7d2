"""Nets that were trained before, whose features are what others learn."""

from .teacher import Teacher

__all__ = ['Teacher']
