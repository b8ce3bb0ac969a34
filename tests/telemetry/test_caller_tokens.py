"""No token of a caller's stands in a run's history, in logs, in traces, or in the names of what verifies it."""

import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO

import pytest
import structlog
from joserfc.jwk import ECKey
from temporalio.client import Client

from activities.adapters.telemetry import log_events
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.runs.caller import ticket_of
from perdure.errors import CallerRefused
from tests.support.runs.caller_tokens import KEY, believing, token
from tests.telemetry.spans import Recorded, strings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"callers": believing(KEY)})


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What the workers of this process write, all of it."""
    written = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", written)  # where events go is chosen now
        log_events("debug")
    yield written
    structlog.reset_defaults()


@pytest.mark.parametrize("tracing", ["as composed"], indirect=True)
@pytest.mark.usefixtures("tracing")
async def test_no_part_of_a_token_leaves_the_activity_that_verifies_it(
    client: Client,
    traced_platform: Platform,
    recorded: Recorded,
    logged: StringIO,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    now = datetime.now(UTC)
    good = token("ada", now=now)
    forged = token("eve", now=now, key=ECKey.generate_key("P-256", parameters={"kid": "callers"}))
    expired = token("eve", now=now, claims={"exp": int(now.timestamp()) - 60})
    run = str(uuid.uuid4())
    for said in (forged, expired):
        with pytest.raises(CallerRefused):
            await traced_platform.start("Who cleans the pond?", business_id=run, caller_token=said)
    await traced_platform.start("Who cleans the pond?", business_id=run, caller_token=good)
    await traced_platform.result(run)
    handle = client.get_workflow_handle(f"default:{run}")
    history, seen = await handle.fetch_history(), await handle.describe()
    spans = " ".join(part for span in recorded.all() for part in strings(json.loads(span.to_json())))
    places = {
        "history": history.to_json(),
        "payloads": " ".join(repr(event) for event in history.events),
        "description": repr(seen.raw_description),
        "events": logged.getvalue(),
        "logs": caplog.text,
        "spans": spans,
    }
    for said in (good, forged, expired):
        name = f"caller:default:{run}:{ticket_of(said, f'default:{run}')[:16]}"
        places[name] = repr((await client.get_activity_handle(name).describe()).raw_info)
        assert f"Verify who starts default:{run}" in places[name]
    # Each place is the one where it would stand.
    assert ticket_of(good, f"default:{run}") in places["payloads"]
    assert places["events"].count('"activity": "present_caller"') == 3
    assert "present_caller" in spans
    for place, text in places.items():
        for said in (good, forged, expired):
            assert not [part for part in said.split(".") if part in text], place
