#!/usr/bin/env python
"""Open a page to try a detector on: drop images, see what is found, download it as COCO JSON."""

from mmgreen.cli.serve import main

if __name__ == '__main__':
    main()
