"""Runs `python -m deploy.testing.stub --bill FILE`: the stub model, which follows the script in the task.

Its first line of output is JSON with its `url`, `bill` and `prices`.
"""

import argparse
import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from deploy.processes.errors import PortInUse
from deploy.processes.ports import require_free
from deploy.testing.stub.model import ScriptedModel
from perdure.contracts.chains.spec import Prices

PRICES = (400_000, 1_600_000)
"""The prices of a million input and output tokens in micro-dollars: near those of hosted small models."""


def end_with_input() -> None:
    """End this process when its standard input ends."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.testing.stub", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--bill", type=Path, required=True, help="the SQLite file that every call is written to")
    parser.add_argument("--prices", type=int, nargs=2, default=PRICES, metavar=("INPUT", "OUTPUT"), help="per million")
    parser.add_argument("--end-with-input", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    try:
        require_free(options.port, "--port")
    except PortInUse as error:
        sys.exit(f"perdure: {error}")
    prices = Prices(input=options.prices[0], output=options.prices[1])
    server = ScriptedModel(options.port, options.bill, prices)
    if options.end_with_input:
        threading.Thread(target=end_with_input, daemon=True).start()
    bill = str(options.bill.resolve())
    print(json.dumps({"url": server.url, "bill": bill, "prices": prices.model_dump(mode="json")}), flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
