"""The errors that adapters raise. Each message says what failed, the value, and what to do about it."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from perdure.contracts.contract import Contract
from perdure.contracts.fault import Remedy
from perdure.contracts.windows import WindowShortage


class PortError(Exception):
    """An adapter could not do its work. The message says what failed, the value, and what to do about it."""

    final: bool = False
    """Whether a retry would fail in the same way."""
    free_of_charge: bool = False
    """Whether a paid attempt with this error is known to have cost nothing."""
    remedy: Remedy = Remedy.RETRY
    """The remedy for a paid attempt with this error."""
    outage: bool = False
    """Whether a needed service is away for a while: the request is right and only has to wait."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """The pause that the service asked for; None if it asked for none."""
        self.evidence: Contract | None = None
        """Structured evidence for the workflow, beside the message."""


class NotConfigured(PortError):
    """No file defines this name: an unknown chain, tier or guard."""

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

    Nothing was bought. Asking it again would not help, but another deployment of the tier may answer.
    """

    free_of_charge = True
    remedy = Remedy.FALL_BACK


class WrongModel(ModelUnusable):
    """Another model answered than the deployment names. Its reply is not used, and its cost is unknown."""

    free_of_charge = False


class ModelFailed(PortError):
    """The call broke after it was sent: its cost is unknown."""


class ModelRefused(PortError):
    """The model's server refused the request. The same one would be refused again, here and elsewhere."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class ModelOverloaded(PortError):
    """The model's server refused for now, before doing any work."""

    free_of_charge = True
    outage = True


class PromptTooLarge(PortError):
    """A prompt may have more tokens than its attempt has reserved. Nothing was sent."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class CircuitOpen(PortError):
    """The endpoint failed so often lately that it is not called for a while. Nothing was sent."""

    free_of_charge = True
    remedy = Remedy.CIRCUIT_OPEN
    outage = True


class StorageFull(PortError):
    """The disk is full. Everything that was written before is safe."""

    outage = True


class StorageFailed(PortError):
    """The database failed to do what it was asked."""

    outage = True


class StorageReadOnly(PortError):
    """The store takes no writes until its disk has room. It can still be read."""

    outage = True


class ServerAway(PortError):
    """The Temporal server did not answer an effect's question."""

    outage = True


class NotThisRun(PortError):
    """The request names another run, or a run that is not registered. Nothing was done."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class AuditFull(PortError):
    """The audit takes no more decisions about this run, or this decision is too long."""

    final = True


class BodyMissing(PortError):
    """The blob store holds no body of this digest for this tenant."""

    final = True


class BodyCorrupt(PortError):
    """The blob store holds a body that does not match its digest."""

    final = True


class UnknownCollection(PortError):
    """The tenant has no such collection of documents."""

    final = True


class WrongDimension(PortError):
    """A vector has another length than those of the collection, which another model made."""

    final = True


class UnreadableDocument(PortError):
    """A document cannot be parsed."""

    final = True


class NotInCharset(UnreadableDocument):
    """The bytes are not text in the encoding that they are said to be in."""


class ReadingStopped(UnreadableDocument):
    """Reading the document took more time or memory than it may, so its process was killed. It is not read again."""


class ReadersBusy(PortError):
    """So many documents wait to be read that no more are taken for a while."""

    outage = True


class GuardsLoading(PortError):
    """The guards of this worker are still loading: the check is right, and only has to wait."""

    outage = True


class KeyTaken(PortError):
    """The key was used before, for something else."""

    final = True


class UnknownKey(PortError):
    """An outcome was reported for a key under which nothing was begun."""

    final = True


class BadCredential(PortError):
    """A credential is invalid. The message holds nothing of it."""

    final = True


class BadCaller(PortError):
    """A caller's token or ticket is invalid, so the run may not start. The message holds nothing of the token."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class CallerAwaited(PortError):
    """The caller's token is not verified yet. An honest client sent it before it started the run."""

    free_of_charge = True
    outage = True


class WindowSpent(PortError):
    """The rest of the tenant's day or of the run's account does not cover a paid attempt. Nothing was sent."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP

    def __init__(self, shortage: WindowShortage) -> None:
        super().__init__(shortage.reason)
        self.evidence = shortage


@contextmanager
def nothing_sent() -> Generator[None]:
    """Mark every outage within this context as free of charge, to be retried later: nothing was sent yet."""
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
