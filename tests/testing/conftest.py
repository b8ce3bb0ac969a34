"""A fixture for this checkout, as authors of agents write it for theirs."""

import pytest

from activities.settings import ROOT
from perdure.testing import Checkout


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    return Checkout(ROOT)
