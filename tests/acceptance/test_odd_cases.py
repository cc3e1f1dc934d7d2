"""What people's exports are really like: read right, or refused in one sentence."""

import pytest
from odd_cases import EXPECTED, all_cases, outcomes


@pytest.mark.parametrize('case', EXPECTED)
def test_a_case_is_read_right_or_refused(odd_inputs, case):
    for folder, expected, found in outcomes(case):
        assert found.startswith(expected), folder
        assert '\n' not in found


def test_every_case_is_tried(odd_inputs):
    assert all_cases() == sorted(EXPECTED)
