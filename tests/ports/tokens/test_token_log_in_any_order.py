"""What every token log promises in any order of writes, repeats, new attempts and lost connections."""

import asyncio
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.ports import Position, TokenLog
from perdure.contracts.chains.steps import StepKey
from tests.support.processes.token_reader import Reader

TEXTS = st.text(st.characters(), min_size=3, max_size=9)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), TEXTS),
        st.tuples(st.just("say again"), st.integers(0, 20)),
        st.tuples(st.just("begin"), st.just(0)),
        st.tuples(st.just("say late"), TEXTS),
        st.tuples(st.just("read again from"), st.integers(0, 20)),
    ),
    min_size=5,
    max_size=40,
)


@given(EVENTS, st.sampled_from([None, "screened"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happens_a_reader_holds_exactly_what_the_newest_attempt_said(
    logs: tuple[TokenLog, TokenLog], events: list[tuple[str, str | int]], gate: str | None
) -> None:
    log, other = logs
    key = StepKey(tenant="acme", workflow_id="acme/ticket-1", run_id=uuid.uuid4().hex, step="generate-1")
    reader = Reader(other, key)
    attempt, written = 1, ""
    await log.begin(key, 1, gate)
    await log.open(key.tenant, key.run_id, "screened")
    async with asyncio.timeout(10):
        for event, value in events:
            match event, value:
                case "say", str(text):
                    await log.append(key, Position(attempt, len(written)), text)
                    written += text
                case "say again", int(place):
                    start = place % (len(written) + 1)
                    await log.append(key, Position(attempt, start), written[start:])
                case "begin", _:
                    attempt, written = attempt + 1, ""
                    await log.begin(key, attempt, gate)
                case "say late", str(text):
                    await log.append(key, Position(attempt - 1, 3), text) if attempt > 1 else None
                case "read again from", int(place):
                    while (reader.at.attempt, reader.text) != (attempt, written):
                        await reader.entry()
                    reader.go_back(place % (len(written) + 1))
                case unknown:
                    pytest.fail(f"{unknown} is no event")
        await log.end(key, Position(attempt, len(written)))
        await reader.to_the_end()
    assert (reader.text, reader.at) == (written, Position(attempt, len(written)))
    assert reader.unannounced == 0
    assert reader.attempts == sorted(set(reader.attempts))
