"""Verifies the token of a caller who is about to start a run, and stores their identity for that run."""

from datetime import UTC, datetime
from typing import Any, cast

from temporalio import activity

from activities.ports import BadCredential, Callers, Credentials, NotThisRun, ShownCaller
from perdure.contracts.runs.caller import (
    LONGEST_NAME,
    LONGEST_TOKEN,
    MOST_NAMES,
    Identity,
    PresentCaller,
    PresentedCaller,
)
from perdure.contracts.runs.registry import ANONYMOUS
from workflows.effects import PRESENT_CALLER


class Presenting:
    """The effect `present_caller`, which a client calls."""

    def __init__(self, tokens: Credentials, callers: Callers) -> None:
        self._tokens = tokens
        self._callers = callers

    @PRESENT_CALLER.activity
    async def present_caller(self, ask: PresentCaller) -> PresentedCaller:
        """Verify a caller's token. Safe to run twice: the first identity on a ticket stays.

        A token counts if it was valid when it was sent, by the server's clock: waiting for a worker does not expire it.
        """
        if not ask.workflow_id.startswith(f"{ask.tenant}:"):
            raise NotThisRun(f"the run {ask.workflow_id!r} is not the tenant {ask.tenant!r}'s: nothing was verified")
        sent_at = activity.info().scheduled_time
        try:
            claims = self._claims(ask.token, sent_at)
            identity = identity_in(claims, ask.tenant, ask.workflow_id)
        except BadCredential as error:
            shown = ShownCaller(ask.ticket, ask.workflow_id, sent_at, refused=str(error))
        else:
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            shown = ShownCaller(ask.ticket, ask.workflow_id, sent_at, identity, expires_at)
        stored = await self._callers.show(ask.tenant, shown)
        return PresentedCaller(refused=shown.refused) if stored is None else PresentedCaller(subject=stored.subject)

    def _claims(self, token: str, sent_at: datetime) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise BadCredential(f"it has {len(token):,} characters, over the limit of {LONGEST_TOKEN:,}")
        return self._tokens.claims(token, sent_at)


def identity_in(claims: dict[str, Any], tenant: str, workflow_id: str) -> Identity:
    """Return the identity of the caller from a verified token's claims. Raises `BadCredential`."""
    if claims.get("tenant") != tenant:
        raise BadCredential("it is not for this tenant: the claim tenant has to name the run's")
    if claims.get("run", workflow_id) != workflow_id:
        raise BadCredential("it is for another run: the claim run names one alone")
    subject = claims["sub"]
    if not _is_name(subject):
        raise BadCredential(f"sub is no name: write 1 to {LONGEST_NAME} visible characters")
    if subject.casefold() == ANONYMOUS:
        raise BadCredential(f"sub is {ANONYMOUS!r}, which is whoever shows no token")
    return Identity(subject=subject, groups=_names(claims, "groups"), roles=_names(claims, "roles"))


def _names(claims: dict[str, Any], claim: str) -> tuple[str, ...]:
    value: Any = claims.get(claim, [])
    # An unreadable claim is refused: ignoring it would change the rights of the caller.
    names = cast("list[object]", value) if isinstance(value, list) else None
    if names is None or len(names) > MOST_NAMES or not all(_is_name(name) for name in names):
        raise BadCredential(
            f"{claim} is no list of names: write up to {MOST_NAMES}, of 1 to {LONGEST_NAME} visible characters each"
        )
    return tuple(cast("list[str]", names))


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name == name.strip() and name.isprintable()
