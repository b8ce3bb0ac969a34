"""The errors with which the world answers. Each says what failed, the value, and what to do about it."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from perdure.contracts.contract import Contract
from perdure.contracts.fault import Remedy
from perdure.contracts.windows import WindowShortage


class PortError(Exception):
    """The world said no. The message says what failed, the value, and what to do about it."""

    final: bool = False
    """Whether trying again is pointless."""
    free_of_charge: bool = False
    """Whether a paid attempt that ended so is known to have cost nothing."""
    remedy: Remedy = Remedy.RETRY
    """What a paid attempt that ended so asks for."""
    outage: bool = False
    """Whether something that is needed is away for a while: what asked for it is right, and only has to wait."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """How long the world asked to be left alone; None where it did not say."""
        self.evidence: Contract | None = None
        """What a workflow is told beside the message."""


class NotConfigured(PortError):
    """A name that no file here defines: an unknown chain, tier or guard."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class ModelUnreachable(PortError):
    """Nothing answered at the endpoint, so nothing was bought: another deployment of the tier may answer."""

    free_of_charge = True
    remedy = Remedy.FALL_BACK
    outage = True


class ModelUnusable(PortError):
    """The endpoint answers, but not as this deployment: a wrong key, an unknown model, no quota left.

    Nothing was bought, and asking it again would not help; another deployment of the tier may.
    """

    free_of_charge = True
    remedy = Remedy.FALL_BACK


class WrongModel(ModelUnusable):
    """Another model answered than the deployment names. Its reply is not used, and what it cost is unknown."""

    free_of_charge = False


class ModelFailed(PortError):
    """The call broke after it was sent: what it cost is unknown."""


class ModelRefused(PortError):
    """The model's server refused the request; the same one would be refused again, here and elsewhere."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class ModelOverloaded(PortError):
    """The model's server refused for now, before doing any work."""

    free_of_charge = True
    outage = True


class PromptTooLarge(PortError):
    """A prompt is larger than what its attempt has reserved. Nothing was sent."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class CircuitOpen(PortError):
    """This endpoint failed so often lately that it is left alone for a while. Nothing was sent."""

    free_of_charge = True
    remedy = Remedy.CIRCUIT_OPEN
    outage = True


class StorageFull(PortError):
    """The disk is full. What was written before is safe."""

    outage = True


class StorageFailed(PortError):
    """The database did not do what it was asked."""

    outage = True


class StorageReadOnly(PortError):
    """The store takes nothing more until its disk has room; what it holds can still be read."""

    outage = True


class ServerAway(PortError):
    """The Temporal server did not answer an effect that has to ask it something."""

    outage = True


class NotThisRun(PortError):
    """The request names another run, or a run that is not registered. Nothing was done."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class AuditFull(PortError):
    """So many decisions were written down about one run that no more are taken, or this one is too long."""

    final = True


class BodyMissing(PortError):
    """A text was asked for by a digest that the blob store does not hold for this tenant."""

    final = True


class BodyCorrupt(PortError):
    """The blob store holds a body that does not have its digest."""

    final = True


class UnknownCollection(PortError):
    """The tenant has no such collection of documents."""

    final = True


class WrongDimension(PortError):
    """A vector is of another length than those of the collection: another model made them."""

    final = True


class UnreadableDocument(PortError):
    """A document cannot be parsed."""

    final = True


class KeyTaken(PortError):
    """A key was used before, for something else: what it names is not what was asked for."""

    final = True


class UnknownKey(PortError):
    """Something was told about a key under which nothing was begun."""

    final = True


class BadCredential(PortError):
    """A credential that cannot be believed. The message holds nothing of it."""

    final = True


class BadCaller(PortError):
    """Who starts a run showed a token or a ticket that cannot be believed. The message holds nothing of the token."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class CallerAwaited(PortError):
    """The token of who starts a run is not verified yet: its client has sent it before, or has lied."""

    free_of_charge = True
    outage = True


class WindowSpent(PortError):
    """What is left of the tenant's day does not cover a paid attempt. Nothing was sent."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP

    def __init__(self, shortage: WindowShortage) -> None:
        super().__init__(shortage.reason)
        self.evidence = shortage


@contextmanager
def nothing_sent() -> Generator[None]:
    """Whatever is away within this context, nothing was sent yet: the attempt is free of charge, and is waited for."""
    try:
        yield
    except PortError as error:
        if error.outage:
            error.free_of_charge = True
            error.remedy = Remedy.WAIT
        raise


def raised_at(error: BaseException) -> str:
    """Return the file and the line that raised an error, `purchasing.py:84`; empty if it was never raised.

    For logs and histories, where an error's own text may not stand: it may hold keys, addresses or prompts.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
