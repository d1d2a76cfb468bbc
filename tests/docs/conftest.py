import pytest

from stack import NO_LIMITS, Stack


@pytest.fixture(scope="module")
def stack():
    with Stack(NO_LIMITS) as running:
        yield running
