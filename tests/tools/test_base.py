"""A tool declares what it needs, is granted no more, and its code never gets an argument that was not allowed."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest

from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedAmount, AllowedHosts, AllowedPaths, Approval, Constraint
from tools.base import Constrained, ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import NotAllowed
from tools.evidence import CannotTellYet, Evidence

BY_HAND = ToolContext(tenant="default", run="r", step="s", key="k")


class Errand(ToolArguments):
    """Something of each kind."""

    url: Annotated[str, Constrained(AllowedHosts)]
    path: Annotated[str | None, Constrained(AllowedPaths, required=False)] = None
    amount: Annotated[Decimal, Constrained(AllowedAmount)] = Decimal(1)
    copies: Annotated[tuple[str, ...], Constrained(AllowedHosts, required=False)] = ()
    note: str = ""


@tool(ToolEffect.READ_ONLY)
async def errand(_: ToolContext, arguments: Errand) -> str:
    """Run an errand."""
    return f"{arguments.url} {arguments.path} {arguments.amount} {list(arguments.copies)}"


HOSTS = AllowedHosts(hosts=("docs.example.com", "*.example.org"))
ALLOWED: dict[str, Constraint] = {
    "url": HOSTS,
    "path": AllowedPaths(under=("handbook/", "notes/one.md")),
    "amount": AllowedAmount(most=Decimal("99.90")),
    "copies": HOSTS,
}
GOOD = "https://docs.example.com/"


def test_a_tool_that_says_nothing_has_careful_defaults() -> None:
    assert (errand.timeout, errand.price, errand.approval) == (timedelta(seconds=30), 0, Approval.NEVER)


def test_a_spec_pins_all_that_a_run_needs() -> None:
    spec = errand.spec(ALLOWED)
    assert (spec.name, spec.digest, spec.parameters) == ("errand", errand.digest, errand.schema)
    assert (spec.timeout, spec.price, spec.approval) == (errand.timeout, 0, Approval.NEVER)
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def test_a_tool_that_needs_another_constraint_is_another_tool() -> None:
    digests = {
        replace(errand, constrained=marks).digest
        for marks in ({}, {"url": Constrained(AllowedHosts)}, {"url": Constrained(AllowedHosts, required=False)})
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("constraints", "reason"),
    [
        ({"amount": ALLOWED["amount"]}, "nothing is allowed for its argument 'url': grant it with a constraint"),
        (ALLOWED | {"note": HOSTS}, "'note' takes no constraint: remove it; the arguments that take one are url, path"),
        (ALLOWED | {"nothing": HOSTS}, "'nothing' takes no constraint"),
        (ALLOWED | {"url": AllowedPaths(under=("a/",))}, "of the kind 'paths': write { kind = \"hosts\""),
        (ALLOWED | {"url": AllowedHosts(hosts=("*",))}, r"'\*' is no host: write docs.example.com"),
        (ALLOWED | {"url": AllowedHosts(hosts=("*.com",))}, "is no host"),
        (ALLOWED | {"url": AllowedHosts(hosts=("https://docs.example.com",))}, "is no host"),
        (ALLOWED | {"path": AllowedPaths(under=("/etc/",))}, "'/etc/' is absolute"),
        (ALLOWED | {"path": AllowedPaths(under=("a/../b/",))}, "is no plain path"),
        (ALLOWED | {"path": AllowedPaths(under=("",))}, "'' is no plain path"),
        (ALLOWED | {"amount": AllowedAmount(most=Decimal(-1))}, "nothing lies between 0 and -1"),
    ],
)
async def test_a_grant_that_does_not_fit_is_refused_before_a_run_and_before_a_call(
    constraints: dict[str, Constraint], reason: str
) -> None:
    for refused in (lambda: errand.spec(constraints), lambda: errand.checked({"url": GOOD}, constraints)):
        with pytest.raises(BadInput, match=reason) as refusal:
            refused()
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "as_the_tool_sees_it"),
    [
        ({"url": "HTTPS://Docs.Example.com:443/a/../b"}, "https://docs.example.com/b None 1 []"),
        ({"url": "http://x.y.example.org."}, "http://x.y.example.org./ None 1 []"),
        ({"url": GOOD, "path": "handbook//./travel.md"}, f"{GOOD} handbook/travel.md 1 []"),
        ({"url": GOOD, "path": "notes/one.md"}, f"{GOOD} notes/one.md 1 []"),
        ({"url": GOOD, "amount": 99.9}, f"{GOOD} None 99.9 []"),
        ({"url": GOOD, "amount": "0"}, f"{GOOD} None 0 []"),
        ({"url": GOOD, "copies": [GOOD]}, f"{GOOD} None 1 ['{GOOD}']"),
    ],
)
async def test_what_is_allowed_reaches_the_tool_in_its_plain_form(
    arguments: dict[str, Any], as_the_tool_sees_it: str
) -> None:
    assert await errand.use(BY_HAND, arguments, ALLOWED) == as_the_tool_sees_it


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"url": "https://example.com/"}, "the host 'example.com' is not allowed: use docs.example.com, "),
        ({"url": "https://docs.example.com.evil.net/"}, "is not allowed"),
        ({"url": "https://example.org/"}, "is not allowed"),
        ({"url": "https://evil-example.org/"}, "is not allowed"),
        ({"url": "https://docs.example.com@evil.net/"}, "a name or password"),
        ({"url": "https://evil.net\\@docs.example.com/"}, "the host 'evil.net' is not allowed"),
        ({"url": "http://2852039166/"}, r"the host '169\.254\.169\.254' is not allowed"),
        ({"url": "file:///etc/passwd"}, "is no http or https URL"),
        ({"url": "docs.example.com"}, "is no http or https URL"),
        ({"url": GOOD, "path": "/handbook/a.md"}, "is absolute"),
        ({"url": GOOD, "path": "C:/handbook"}, "is absolute"),
        ({"url": GOOD, "path": "handbook/../notes/two.md"}, "without '..'"),
        ({"url": GOOD, "path": "handbook/%2e%2e/two.md"}, "is no plain path"),
        ({"url": GOOD, "path": "handbook\\..\\two.md"}, "is no plain path"),
        ({"url": GOOD, "path": "handbook/a\x00.md"}, "is no plain path"),
        ({"url": GOOD, "path": "handbooks/a.md"}, "use what is under handbook/, notes/one.md"),
        ({"url": GOOD, "path": "notes/one.md/two"}, "is not allowed"),
        ({"url": GOOD, "amount": "99.91"}, "99.91 is not allowed: use 0 to 99.90"),
        ({"url": GOOD, "amount": -0.01}, "is not allowed"),
        ({"url": GOOD, "amount": "NaN"}, "amount: Input should be a finite number"),
        ({"url": GOOD, "copies": [GOOD, "https://evil.net"]}, "copies: the host 'evil.net' is not allowed"),
        ({"url": GOOD, "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({}, "url: Field required"),
    ],
)
async def test_what_is_not_allowed_never_reaches_the_code(arguments: dict[str, Any], reason: str) -> None:
    reached: list[Errand] = []

    @tool(ToolEffect.READ_ONLY)
    async def watched(_: ToolContext, arguments: Errand) -> str:
        """Run an errand."""
        reached.append(arguments)
        return ""

    with pytest.raises(BadInput, match=reason) as refusal:
        await watched.use(BY_HAND, arguments, ALLOWED)
    assert reached == []
    assert "\n" not in str(refusal.value)


async def test_an_optional_constraint_left_out_still_keeps_paths_plain() -> None:
    granted = {name: ALLOWED[name] for name in ("url", "amount")}
    assert "anything/at.all" in await errand.use(BY_HAND, {"url": GOOD, "path": "anything/at.all"}, granted)
    with pytest.raises(BadInput, match="is no plain path"):
        await errand.use(BY_HAND, {"url": GOOD, "path": "anything/../at.all"}, granted)


async def test_the_grant_reaches_the_tool_with_its_context() -> None:
    @tool(ToolEffect.READ_ONLY)
    async def asking(context: ToolContext, __: Errand) -> str:
        """Run an errand."""
        return ", ".join(context.hosts("url").hosts)

    assert await asking.use(BY_HAND, {"url": GOOD}, ALLOWED) == "docs.example.com, *.example.org"
    with pytest.raises(BadInput, match="url: no host is allowed"):
        BY_HAND.hosts("url")


def test_a_mark_that_nobody_would_check_is_refused_when_the_tool_is_made() -> None:
    class Inner(ToolArguments):
        url: Annotated[str, Constrained(AllowedHosts)]

    class Hidden(ToolArguments):
        url: Annotated[str, Constrained(AllowedHosts)] | None = None

    class Deep(ToolArguments):
        inner: list[Inner]

    async def hidden(_: ToolContext, __: Hidden) -> str:
        """Hide."""
        return ""

    async def deep(_: ToolContext, __: Deep) -> str:
        """Hide deeper."""
        return ""

    with pytest.raises(TypeError, match="mark it once and as a whole"):
        tool(ToolEffect.READ_ONLY)(hidden)
    with pytest.raises(TypeError, match="argument 'inner': mark it once and as a whole"):
        tool(ToolEffect.READ_ONLY)(deep)


def test_a_function_that_cannot_be_a_tool_is_refused_with_the_remedy() -> None:
    async def silent(_: ToolContext, __: Errand) -> str:
        return ""

    async def untyped(_: ToolContext) -> str:
        """Do it."""
        return ""

    def blocking(_: ToolContext, __: Errand) -> str:
        """Do it."""
        return ""

    async def fine(_: ToolContext, __: Errand) -> str:
        """Do it."""
        return ""

    async def reconcile(_: ToolContext) -> None: ...

    make: Any = tool
    for decorate, reason in (
        (lambda: make(ToolEffect.READ_ONLY)(silent), "write a docstring"),
        (lambda: make(ToolEffect.READ_ONLY)(untyped), "annotate its second parameter"),
        (lambda: make(ToolEffect.READ_ONLY)(blocking), "make it an async function"),
        (lambda: make(ToolEffect.READ_ONLY, timeout=timedelta(0))(fine), "a timeout above 0"),
        (lambda: make(ToolEffect.READ_ONLY, price=-1)(fine), "a price from 0 up"),
        (lambda: make(ToolEffect.READ_ONLY, reconcile=reconcile)(fine), "nothing to reconcile"),
        (lambda: make(ToolEffect.AT_MOST_ONCE, settles_within=timedelta(0))(fine), "for what has a reconcile"),
        (
            lambda: make(ToolEffect.AT_MOST_ONCE, reconcile=reconcile, settles_within=-timedelta(1))(fine),
            "is 0 or more",
        ),
        (lambda: make(ToolEffect.IDEMPOTENT, quick=True)(fine), "may be quick"),
        (lambda: make(ToolEffect.READ_ONLY, price=1, quick=True)(fine), "may be quick"),
    ):
        with pytest.raises(TypeError, match=reason):
            decorate()


def test_how_an_unknown_call_is_found_out_is_no_part_of_what_a_run_pins() -> None:
    async def reconcile(_: ToolContext) -> Evidence:
        return CannotTellYet()

    with_reconcile = replace(errand, reconcile=reconcile, settles_within=timedelta(minutes=5))
    assert with_reconcile.digest == errand.digest
    assert with_reconcile.spec(ALLOWED) == errand.spec(ALLOWED)


async def test_without_a_world_a_tool_that_needs_one_says_so() -> None:
    for call in (BY_HAND.knowledge.search("x", 1), BY_HAND.http.get(GOOD, HOSTS)):
        with pytest.raises(NotAllowed, match=r"perdure tool"):
            await call


@pytest.mark.parametrize(
    "odd", [{"count": True}, {"count": "5"}, {"grams": True}, {"grams": "NaN"}, {"grams": float("inf")}, {"count": 5.5}]
)
def test_arguments_are_read_as_strictly_as_their_schema(odd: dict[str, Any]) -> None:
    class Order(ToolArguments):
        count: int = 1
        grams: float = 1.0

    @tool(ToolEffect.READ_ONLY)
    async def order(_: ToolContext, __: Order) -> str:
        """Order it."""
        return ""

    assert order.checked({"count": 5.0, "grams": 2}) == Order(count=5, grams=2.0)
    with pytest.raises(BadInput, match=f"order: .*{next(iter(odd))}|the arguments are no JSON"):
        order.checked(odd)
