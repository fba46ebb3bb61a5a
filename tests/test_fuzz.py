"""Two thousand garbled files a format, fewer where reading is slow; `make fuzz` tries 50 times as many, and times them."""

import pytest

from tests import fuzz


@pytest.mark.parametrize("name", fuzz.targets())
def test_two_thousand_garbled_files(name):
    outcome = fuzz.run(name, 2000, seed=0)
    # the mutations are neither all harmless nor all fatal
    assert 0.01 * outcome.tried < outcome.taken < 0.975 * outcome.tried
    assert outcome.grown_bytes < fuzz.MOST_BYTES
