#!/usr/bin/env python
"""Convert annotated images of any format to a COCO annotation file."""

from mmgreen.cli.to_coco import main

if __name__ == '__main__':
    main()
