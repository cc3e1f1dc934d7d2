#!/usr/bin/env python
"""Time a detector and the ONNX file exported from it, in turn, on the CPU."""

from mmgreen.cli.time_exported import main

if __name__ == '__main__':
    main()
