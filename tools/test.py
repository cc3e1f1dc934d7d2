#!/usr/bin/env python
"""Evaluate a checkpoint: prints the COCO tables of a detector, and writes a report."""

from mmgreen.cli.test import main

if __name__ == '__main__':
    main()
