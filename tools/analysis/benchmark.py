#!/usr/bin/env python
"""Time and memory of a training step, for any config of this project, mmpretrain or mmdet."""

from mmgreen.cli.benchmark import main

if __name__ == '__main__':
    main()
