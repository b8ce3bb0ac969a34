"""A watched inbox tells each change once: what came, what is another one by now, and what went."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perdure.cli.commands.watching import Key, kept, keyed, news
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import InboxEntry, PendingStep, Waiting
from perdure.contracts.tool_calls.tools import ToolEffect

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def entry(run: str, step: str = "call-1-1", digest: str = "0", tenant: str = "default", minutes: int = 0) -> InboxEntry:
    pending = PendingStep(
        step=step,
        waiting=Waiting.APPROVAL,
        tool="send_message",
        effect=ToolEffect.AT_MOST_ONCE,
        arguments=Text.of("{}"),
        digest=digest * 64,
        since=NOW + timedelta(minutes=minutes),
    )
    return InboxEntry(business_id=run, tenant=tenant, agent="tester", step=pending)


def silent(run: str) -> InboxEntry:
    return InboxEntry(business_id=run, tenant="default", agent="tester", problem="its worker does not say what")


entries = st.lists(
    st.builds(entry, st.sampled_from("ab"), st.sampled_from(["call-1-1", "call-1-2"]), st.sampled_from("012"))
    | st.builds(silent, st.sampled_from("ab")),
    max_size=6,
).map(keyed)


@given(st.lists(entries, max_size=6))
def test_who_reads_all_news_knows_the_inbox(looks: list[dict[Key, InboxEntry]]) -> None:
    told: dict[Key, InboxEntry] = {}
    known: dict[Key, InboxEntry] = {}
    for look in looks:
        for change in news(known, look):
            [key] = keyed([change.entry])
            assert (change.what == "new") == (key not in told)
            if change.what == "gone":
                del told[key]
            else:
                told[key] = change.entry
        known = kept(known, look)
        assert told == known
        assert news(known, look) == [], "nothing is told twice"
        assert look.items() <= known.items()


def test_a_run_whose_worker_is_silent_has_not_lost_its_steps() -> None:
    before = keyed([entry("a"), entry("b")])
    after = keyed([silent("a")])
    assert [(change.what, change.entry.business_id) for change in news(before, after)] == [("gone", "b"), ("new", "a")]
    assert set(kept(before, after)) == {("default", "a", "call-1-1"), ("default", "a", "")}


def test_the_same_step_with_other_arguments_and_one_that_is_asked_for_again_are_told() -> None:
    before = keyed([entry("a"), entry("b")])
    after = keyed([entry("a", digest="1"), entry("b", minutes=1)])
    assert [change.what for change in news(before, after)] == ["changed", "changed"]
