"""Pictures of more than eight bits are neither white nor black."""

import numpy as np
import pytest
from PIL import Image

from mmgreen.compat.bit_depth import to_eight_bits


@pytest.mark.parametrize(
    ('dtype', 'mode', 'most', 'shown'),
    [
        (np.uint16, 'I;16', 65535, 255),
        (np.int32, 'I', 65535, 255),
        (np.int32, 'I', 255, 255),  # eight bits that were saved as 32
        (np.uint8, 'L', 200, 200),
    ],
)
def test_the_brightest_stays_bright(dtype, mode, most, shown):
    picture = Image.fromarray(np.array([[0, most]], dtype))
    assert picture.mode == mode
    assert np.asarray(to_eight_bits(picture)).tolist() == [[0, shown]]


@pytest.mark.parametrize('values', [[[0, 1 << 20]], [[-1, 5]]])
def test_what_has_no_black_and_white_is_refused(values):
    with pytest.raises(ValueError, match='convert them to 8 or 16 bits'):
        to_eight_bits(Image.fromarray(np.array(values, np.int32)))
