#!/usr/bin/env python
"""Train a model: pre-training, detection, or anything else a config describes."""

from mmgreen.cli.train import main

if __name__ == '__main__':
    main()
