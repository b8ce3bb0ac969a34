"""The tools that write: one ticket for each key, and messages whose outcome is known and that are never sent twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from activities.adapters.documents.files import FileDocuments
from activities.adapters.web.named_services import NamedServices
from activities.adapters.web.public_web import PublicWeb
from activities.adapters.web.tool_http import ToolHttp
from activities.settings import Tools
from deploy.local.stack.desk import DeskServer
from deploy.processes.ports import free_ports
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import Approval
from tests.support.servers.odd_server import OddServer, page
from tools.base import ToolContext, ToolEffect
from tools.create_ticket import create_ticket
from tools.errors import NoAnswer, NotAllowed, ServiceRefused, Unreachable
from tools.evidence import DidHappen, Evidence, NeverWill
from tools.send_message import send_message

TICKET = {"title": "Leak", "text": "The roof leaks."}
MESSAGE = {"to": "ann", "text": "Wet."}


def writer(url: str | None, key: str = "run/step-1", timeout: float = 20) -> ToolContext:
    services = NamedServices(Tools(services={} if url is None else {"desk": url}, timeout_seconds=timeout))
    return ToolContext("acme", "r", "s", key, http=ToolHttp(PublicWeb(FileDocuments()), services))


async def test_a_ticket_is_opened_once_however_often_it_is_tried(desk: DeskServer) -> None:
    answers = {await create_ticket.use(writer(desk.url), TICKET) for _ in range(3)}
    assert answers == {"The ticket T-1 is open."}
    assert await create_ticket.use(writer(desk.url, "run/step-2"), TICKET) == "The ticket T-2 is open."
    assert desk.desk.received() == {"tickets": {"run/step-1": 3, "run/step-2": 1}, "messages": {}}


async def reconcile(context: ToolContext) -> Evidence:
    assert send_message.reconcile is not None
    return await send_message.reconcile(context)


async def test_a_message_says_what_became_of_it(desk: DeskServer) -> None:
    assert await send_message.use(writer(desk.url), MESSAGE) == "The message M-1 is sent."
    assert await reconcile(writer(desk.url)) == DidHappen("The message M-1 is sent.")
    assert await reconcile(writer(desk.url, "other")) == NeverWill()
    assert desk.desk.received()["messages"] == {"run/step-1": 1}


async def test_a_missing_message_counts_as_never_sent_only_once_the_desk_refuses_it(
    desk: DeskServer,
) -> None:
    late, next_one = writer(desk.url), replace(writer(desk.url), attempt=2)
    assert await reconcile(late) == NeverWill()
    with pytest.raises(ServiceRefused, match=r"it refused \(410\).*nothing was done") as refusal:
        await send_message.use(late, MESSAGE)
    assert not refusal.value.may_have_happened
    assert await send_message.use(next_one, MESSAGE) == "The message M-1 is sent."
    assert await reconcile(next_one) == DidHappen("The message M-1 is sent.")
    assert len(desk.desk.kept()["messages"]) == 1


async def test_a_message_whose_answer_was_lost_is_found_by_its_key(tmp_path: Path) -> None:
    with DeskServer(0, tmp_path / "desk.db", pause=2) as slow:
        with pytest.raises(NoAnswer) as lost:
            await send_message.use(writer(slow.url, timeout=0.5), MESSAGE)
        assert lost.value.may_have_happened
        assert await reconcile(writer(slow.url)) == DidHappen("The message M-1 is sent.")
        assert slow.desk.received()["messages"] == {"run/step-1": 1}


async def test_a_desk_that_is_away_was_told_nothing() -> None:
    [port] = free_ports(1)
    for use in (create_ticket.use(writer(f"http://127.0.0.1:{port}"), TICKET),):
        with pytest.raises(Unreachable) as away:
            await use
        assert not away.value.may_have_happened
    with pytest.raises(Unreachable):
        await reconcile(writer(f"http://127.0.0.1:{port}"))
    with pytest.raises(NotAllowed, match="there is no service 'desk'"):
        await create_ticket.use(writer(None), TICKET)


async def test_an_answer_that_says_nothing_leaves_open_what_happened() -> None:
    with OddServer({"/tickets": page(b"[]", "application/json"), "/messages": page(b"{}", "application/json")}) as odd:
        context = writer(f"http://127.0.0.1:{odd.port}")
        for call in (create_ticket.use(context, TICKET), send_message.use(context, MESSAGE), reconcile(context)):
            with pytest.raises(NoAnswer, match="find out what became of the call"):
                await call


def test_what_cannot_be_taken_back_waits_for_a_person() -> None:
    assert (send_message.effect, send_message.approval) == (ToolEffect.AT_MOST_ONCE, Approval.ALWAYS)
    assert (create_ticket.effect, create_ticket.approval) == (ToolEffect.IDEMPOTENT, Approval.NEVER)


@pytest.mark.parametrize("wrong", [{"title": ""}, {"title": "x" * 201}, {"text": "x" * 8001}, {"urgent": True}])
async def test_a_ticket_that_breaks_the_schema_is_never_sent(desk: DeskServer, wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        await create_ticket.use(writer(desk.url), TICKET | wrong)
    assert desk.desk.received()["tickets"] == {}
