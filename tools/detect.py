#!/usr/bin/env python
"""Detect objects in a folder of images: one COCO file of all, and pictures of what was found."""

from mmgreen.cli.detect import main

if __name__ == '__main__':
    main()
