#!/usr/bin/env python
"""Convert a Swin or Twins checkpoint of another project into one of this project, or back."""

from mmgreen.cli.convert_checkpoint import main

if __name__ == '__main__':
    main()
