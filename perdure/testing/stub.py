"""The stub model of a checkout: it says what the script in the task says, over real HTTP, and keeps the bill."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perdure.contracts.chains.spec import Prices
from perdure.testing.bill import Bill
from perdure.testing.checkout import Checkout

__all__ = ["PRICES", "StubModel", "stub_model"]

PRICES = Prices(input=400_000, output=1_600_000)
"""What the stub asks for a million tokens, in micro-dollars, where a test says nothing else."""


@dataclass(frozen=True)
class StubModel:
    """A stub that serves."""

    url: str
    """The endpoint, as a catalogue names it."""
    bill: Bill
    prices: Prices


@contextmanager
def stub_model(checkout: Checkout, *, folder: Path | None = None, prices: Prices = PRICES) -> Generator[StubModel]:
    """The stub model by itself, for a worker that the test starts in its own way.

    Its bill is in `folder`, a temporary one if left out, and a stub that is started again there goes on with it.
    """
    with tempfile.TemporaryDirectory(prefix="perdure-stub-") as temporary:
        place = folder or Path(temporary)
        asked = ("--bill", str(place / "bill.db"), "--prices", str(prices.input), str(prices.output))
        program = checkout.begin(
            "the stub model", "deploy.testing.stub", *asked, "--end-with-input", log=place / "stub.log"
        )
        try:
            yield StubModel(program.told["url"], Bill(Path(program.told["bill"])), prices)
        finally:
            program.stop()
