#!/usr/bin/env python
"""Classify by the features of a frozen backbone: by nearest neighbours, or by a linear layer too."""

from mmgreen.cli.knn import main

if __name__ == '__main__':
    main()
