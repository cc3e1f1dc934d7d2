#!/usr/bin/env python
"""Draw the visible patches, what a pre-trained model predicts, and the original image."""

from mmgreen.cli.show_reconstruction import main

if __name__ == '__main__':
    main()
