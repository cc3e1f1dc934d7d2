#!/usr/bin/env python
"""Check a dataset before a run: ImageNet's format, COCO's, or a folder of images."""

from mmgreen.cli.check import main

if __name__ == '__main__':
    main()
