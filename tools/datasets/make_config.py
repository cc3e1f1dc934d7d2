#!/usr/bin/env python
"""Make configs for a folder of your own images, with no setting left to you."""

from mmgreen.cli.make_config import main

if __name__ == '__main__':
    main()
