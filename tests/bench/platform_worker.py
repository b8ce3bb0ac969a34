"""The platform's own worker, every role in one process, with stubs in place of model, store, embedder and guards.

Everything else is what `worker.py` composes: queues, interceptors, heartbeats, spans, the chain's file, the SQLite blob
store and the saved replies. It takes the same arguments and settings.
"""

from unittest import mock

import worker
from activities.effects.generation import Generation
from activities.effects.guarding import Checking, Screening
from activities.effects.retrieval import Retrieval
from activities.paid.purchasing import Purchasing
from tests.bench.stub_ports import StubChat, StubEmbedder, StubGuards, StubStore


class StubbedParts(worker.Adapters):
    """The adapters of `worker.Adapters`, with stubs for everything outside the platform."""

    def retrieval(self) -> worker.Activities:
        from activities.adapters.telemetry import TracedStore

        return [Retrieval(TracedStore(StubStore()), StubEmbedder(), self.blobs).retrieve]

    def guards(self) -> worker.Activities:
        from activities.adapters.telemetry import TracedGuards

        guards = TracedGuards(StubGuards())
        return [Screening(self.specs, guards, self.blobs, self.log).screen, Checking(guards, self.blobs).check]

    def generation(self) -> worker.Activities:
        from activities.adapters.sql.paid_replies import SqlPaidReplies
        from activities.adapters.telemetry import TracedModel, log_lost_tokens, log_overspent

        model = TracedModel(StubChat(), self.catalogue)
        purchasing = Purchasing(
            model,
            SqlPaidReplies(self.database, self.settings.limits.of),
            rights=self.rights,
            catalogue=self.catalogue,
            log=self.log,
            lost=log_lost_tokens,
            overspent=log_overspent,
        )
        return [Generation(purchasing, self.blobs).generate]


def main() -> None:
    """Serve as `worker.py` does."""
    with mock.patch.object(worker, "Adapters", StubbedParts):
        worker.main()


if __name__ == "__main__":
    main()
    worker.leave()
