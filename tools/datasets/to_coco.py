#!/usr/bin/env python
"""Convert images annotated in LabelMe or Pascal VOC to a COCO annotation file."""

from mmgreen.cli.to_coco import main

if __name__ == '__main__':
    main()
