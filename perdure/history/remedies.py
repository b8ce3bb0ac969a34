"""What an operator does about each kind of fault, before the runs that it ended are retried."""

from perdure.contracts.runs.failures import FailureCause

SAME_AGAIN = "the same request fails again: "

REMEDIES = {
    "ModelUnreachable": "start the model's server, or correct its address: `perdure models` shows each",
    "ModelUnusable": "look at the deployment's key, model name and quota: `perdure models` shows each",
    "WrongModel": "another model answers there than the catalogue names: correct the catalogue or the server",
    "ModelFailed": "the model's server broke off: look at its log, then retry",
    "ModelRefused": SAME_AGAIN + "look at the model server's log for the reason, then change the spec or the server",
    "ModelOverloaded": "wait until the model's server has room, or add one to the tier, then retry",
    "PromptTooLarge": SAME_AGAIN + "give the spec a smaller prompt, or a model with a larger window",
    "CircuitOpen": "the model's server failed too often: look at its log, wait a minute, then retry",
    "StorageFull": "make room on the disk of the database, then retry",
    "StorageFailed": "look at the database: is it there, and as new as the workers? `perdure doctor` checks it",
    "StorageReadOnly": "make room on the disk of the store, then retry",
    "ServerAway": "the Temporal server did not answer a worker: `perdure doctor` checks it, then retry",
    "NotThisRun": "the run is not registered in this database: see that all workers use the one that it began in",
    "NotConfigured": "add what the message names to the specs, the catalogue or the settings of every worker",
    "BodyMissing": "the database lacks a text of the run: restore the backup that belongs to Temporal's",
    "BodyCorrupt": "a text in the database was changed: restore the backup that belongs to Temporal's",
    "UnknownCollection": "index the documents: `perdure index FOLDER --collection NAME --tenant TENANT`, then retry",
    "WrongDimension": "index the collection again: it was made with another embedding model",
    "UnreadableDocument": SAME_AGAIN + "send the document in another format",
    "NotInCharset": SAME_AGAIN + "send the document as UTF-8",
    "ReadingStopped": SAME_AGAIN + "raise PERDURE_FOREIGN_WORK__ limits, or split the document",
    "GuardsLoading": "wait until a worker has loaded its guards (a minute at most), then retry",
    "ReadersBusy": "add workers that read documents, then retry",
    "WindowSpent": "raise PERDURE_LIMITS__ or the run's budget, or wait for the next UTC day, then retry",
    "KeyTaken": SAME_AGAIN + "the key of the call was used for something else: start the run under another id",
    "UnknownKey": "the ledger lacks the call: see that all workers use one database",
    "AuditFull": "too many decisions were sent about the run: retry it once nobody sends more",
    "BadCredential": "have the decision signed again",
    "BadCaller": "have the caller's token signed again, and start the run under another id",
    "CallerAwaited": "the caller's token never came: start the run again under another id",
    "BadInput": SAME_AGAIN + "correct the request, and start it under another id",
    "BadRequest": SAME_AGAIN + "correct the request, and start it under another id",
    "Timeout (schedule_to_start)": "no worker took the task: start one of the role, then retry",
    "Timeout (start_to_close)": "the effect took longer than it may: look at the server that it calls, then retry",
    "Timeout (heartbeat)": "the worker died or hung: look at its log, then retry",
    "Timeout (schedule_to_close)": "the effect could not be done in its time: look at what it needs, then retry",
    "Timeout": "the run's own time was over: start it under another id with a longer one",
    "lost attempt": "the replies of the model's server were lost: look at its log and the network, then retry",
}
"""The remedy by the kind of fault. A test compares the kinds with the errors that workers raise."""

OTHERWISE = "read the run (`perdure show RUN`), mend what failed, then retry"
"""The remedy of a kind that is not listed: an error that nobody foresaw."""


def remedy_of(cause: FailureCause) -> str:
    """Return what to do about a cause."""
    return REMEDIES.get(cause.kind, OTHERWISE)
