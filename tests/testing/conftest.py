"""This checkout, as authors name theirs."""

import pytest

from activities.settings import ROOT
from perdure.testing import Checkout


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    return Checkout(ROOT)
