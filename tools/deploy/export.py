#!/usr/bin/env python
"""Write a trained detector as an ONNX file, which runs without mmgreen, mmdet or torch."""

from mmgreen.cli.export import main

if __name__ == '__main__':
    main()
