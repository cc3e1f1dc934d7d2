#!/usr/bin/env python
"""Look through a folder of annotated images: a page with a picture of each, and of what is wrong."""

from mmgreen.cli.browse import main

if __name__ == '__main__':
    main()
