#!/usr/bin/env python
"""Draw a mask's visible units, the windows of each stage, and how they are grouped."""

from mmgreen.cli.show_grouping import main

if __name__ == '__main__':
    main()
