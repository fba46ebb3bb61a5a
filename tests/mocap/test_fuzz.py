"""Two thousand garbled files a format; `make fuzz` tries a hundred thousand of each and times them."""

import pytest

from tests.mocap import fuzz


@pytest.mark.parametrize("name", fuzz.targets())
def test_two_thousand_garbled_files(name):
    outcome = fuzz.run(name, 2000, seed=0)
    assert 20 < outcome.taken < 1950  # the mutations are neither all harmless nor all fatal
    assert outcome.grown_bytes < fuzz.MOST_BYTES
