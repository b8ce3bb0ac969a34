"""Every listing of the client's command line prints one JSON value on one line, also where it is empty."""

import pytest

from tests.cli.conftest import Cli

LISTINGS = (
    ["list", "--limit", "3"],
    ["inbox"],
    ["schedule", "list"],
    ["retry", "--failed", "--since", "1h", "--dry-run"],
)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("arguments", LISTINGS, ids=" ".join)
async def test_a_listing_prints_one_json_list(cli: Cli, arguments: list[str]) -> None:
    listed = await cli(*arguments, "--tenant", "nobody", "--json")
    assert (listed.code, listed.out, listed.err) == (0, "[]\n", "")
