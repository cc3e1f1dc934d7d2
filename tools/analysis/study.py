#!/usr/bin/env python
"""Compare detectors that start from different pre-trainings."""

from mmgreen.cli.study import main

if __name__ == '__main__':
    main()
