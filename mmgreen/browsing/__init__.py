"""A folder of annotated images as a page to look through."""

from .page import browse

__all__ = ['browse']
