#!/usr/bin/env python
"""Try everything on a demo dataset: pre-train without labels, fine-tune on a few, compare."""

from mmgreen.cli.quickstart import main

if __name__ == '__main__':
    main()
