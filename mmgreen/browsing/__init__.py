"""A folder of annotated images as a page to look through."""

from .page import browse
from .writing import write_page, write_thumbnail

__all__ = ['browse', 'write_page', 'write_thumbnail']
