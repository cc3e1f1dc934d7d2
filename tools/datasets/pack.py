#!/usr/bin/env python
"""Pack a folder of images into few large files, for shared clusters and object stores."""

from mmgreen.cli.pack import main

if __name__ == '__main__':
    main()
