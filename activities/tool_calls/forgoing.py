"""Stores in the ledger that a call is not made, so that no attempt calls, however late it comes."""

from activities.ports import Done, EffectLedger, Fresh, Superseded, Unknown
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.ledger import Failed, IntendedCall


async def forgo_for_good(
    ledger: EffectLedger, key: StepKey, attempt: int, call: IntendedCall, why: Failed
) -> Fresh | Done | Unknown:
    """Forgo a call with an attempt number above all that were ever allowed to call, and return what the ledger answers.

    Raises `KeyTaken`, `StorageFull`, `StorageFailed`.
    """
    while True:
        permission = await ledger.forgo(key, attempt, call, why)
        if not isinstance(permission, Superseded):
            return permission
        attempt = permission.by + 1
