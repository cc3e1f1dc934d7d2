"""A page in the browser to try a detector on."""

from .app import create_app

__all__ = ['create_app']
