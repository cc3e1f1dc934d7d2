#!/usr/bin/env python
"""Report on COCO tests, several side by side, or on a pre-training run."""

from mmgreen.cli.report import main

if __name__ == '__main__':
    main()
