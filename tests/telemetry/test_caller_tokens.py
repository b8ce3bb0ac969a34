"""No part of a caller token is in a run's history, in logs, in traces, or in the ids of the activity that checks it."""

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
    """Collect all events that the workers of this process log."""
    written = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", written)  # the destination of events is chosen now
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
    for token_shown in (forged, expired):
        with pytest.raises(CallerRefused):
            await traced_platform.start("Who cleans the pond?", business_id=run, caller_token=token_shown)
    await traced_platform.start("Who cleans the pond?", business_id=run, caller_token=good)
    await traced_platform.result(run)
    handle = client.get_workflow_handle(f"default:{run}")
    history, description = await handle.fetch_history(), await handle.describe()
    spans = " ".join(part for span in recorded.all() for part in strings(json.loads(span.to_json())))
    places = {
        "history": history.to_json(),
        "payloads": " ".join(repr(event) for event in history.events),
        "description": repr(description.raw_description),
        "events": logged.getvalue(),
        "logs": caplog.text,
        "spans": spans,
    }
    for token_shown in (good, forged, expired):
        name = f"caller:default:{run}:{ticket_of(token_shown, f'default:{run}')[:16]}"
        places[name] = repr((await client.get_activity_handle(name).describe()).raw_info)
        assert f"Verify who starts default:{run}" in places[name]
    # Check that each place is the one where a token would be.
    assert ticket_of(good, f"default:{run}") in places["payloads"]
    assert places["events"].count('"activity": "present_caller"') == 3
    assert "present_caller" in spans
    for place, text in places.items():
        for token_shown in (good, forged, expired):
            assert not [part for part in token_shown.split(".") if part in text], place
