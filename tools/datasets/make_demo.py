#!/usr/bin/env python
"""Make the demo dataset: fruit on textured tables, in COCO format."""

from mmgreen.cli.make_demo import main

if __name__ == '__main__':
    main()
