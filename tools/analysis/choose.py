#!/usr/bin/env python
"""Choose the images to label next: those a detector is in doubt of, and that stand for many others."""

from mmgreen.cli.choose import main

if __name__ == '__main__':
    main()
