"""The stub model of a checkout: it replies over real HTTP what the script in the task says, and keeps the bill."""

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
"""The default prices of the stub."""


@dataclass(frozen=True)
class StubModel:
    """A stub model that is running."""

    url: str
    """The endpoint, in the form that a catalogue of models uses."""
    bill: Bill
    """The bill of all its calls."""
    prices: Prices
    """The prices of its tokens."""


@contextmanager
def stub_model(checkout: Checkout, *, folder: Path | None = None, prices: Prices = PRICES) -> Generator[StubModel]:
    """Start only the stub model, for a worker that the test starts in its own way.

    Its bill is in `folder`; None for a temporary one. A stub that is started again in the same folder continues the
    bill.
    """
    with tempfile.TemporaryDirectory(prefix="perdure-stub-") as temporary:
        place = Path(temporary) if folder is None else folder
        arguments = ("--bill", str(place / "bill.db"), "--prices", str(prices.input), str(prices.output))
        program = checkout.begin(
            "the stub model", "deploy.testing.stub", *arguments, "--end-with-input", log=place / "stub.log"
        )
        try:
            yield StubModel(program.report["url"], Bill(Path(program.report["bill"])), prices)
        finally:
            program.stop()
