#!/usr/bin/env python
"""Time and memory of a pre-training step, for any config of this project or mmpretrain."""

from mmgreen.cli.benchmark import main

if __name__ == '__main__':
    main()
