"""The private parts of Temporal's SDK that references rely on are unchanged in the installed version."""

import hashlib
import inspect
import pkgutil

import pytest

from perdure.contracts.temporal.references import LEGACY_ENCODING, MARKER, MESSAGE_TYPE

LEANED_ON = {
    "temporalio.converter:DataConverter.encode": "7febf53c91d0",
    "temporalio.converter:DataConverter.decode": "99ef5285152a",
    "temporalio.converter:DataConverter.decode_failure": "b43fb94b9517",
    "temporalio.converter:DataConverter.with_context": "0251260c10ef",
    "temporalio.converter:DataConverter._with_contexts": "b12453482c15",
    "temporalio.converter:DataConverter._with_store_context": "a0dcc68abad6",
    "temporalio.converter:DataConverter._decode_reference_payload_sequence": "079fe5b19c64",
    "temporalio.converter:DataConverter._external_retrieve_payload_sequence": "113d8e9929f9",
    "temporalio.converter:DataConverter._external_store_payload_sequence": "6499b8dea9f0",
    "temporalio.converter:DataConverter._decode_payload_sequence": "205960d28823",
    "temporalio.converter:DataConverter._transform_inbound_payload": "6e3be2b7f60a",
    "temporalio.converter:DataConverter._transform_inbound_payloads": "c126d459a8b5",
    "temporalio.converter:ExternalStorage._select_driver": "ad298291285b",
    "temporalio.converter:ExternalStorage._with_store_context": "8eda7bbdbe07",
    "temporalio.converter:ExternalStorage._store_payload": "b9d37dc02933",
    "temporalio.converter:ExternalStorage._store_payload_sequence": "0c12033f01f8",
    "temporalio.converter:ExternalStorage._decode_reference": "ee854d976714",
    "temporalio.converter:ExternalStorage._retrieve_payload": "33f81cf74a52",
    "temporalio.converter:ExternalStorage._retrieve_payload_sequence": "8cb6ff826727",
    "temporalio.converter:ExternalStorage._record_metrics": "4e9ee3b23828",
    "temporalio.bridge.worker:decode_activation": "f48cb3360af5",
    "temporalio.bridge.worker:encode_completion": "a1d916feb923",
    "temporalio.bridge.worker:_Visitor": "77ed4eedc9e3",
    "temporalio.worker._workflow:_CommandAwareDataConverter": "7798b1383c6f",
    "temporalio.worker._workflow:_WorkflowWorker._handle_activation": "772c39c4a2e9",
    "temporalio.worker._workflow_instance:_WorkflowInstanceImpl.get_serialization_context": "af7aa71c605a",
    "temporalio.worker._workflow_instance:_WorkflowInstanceImpl._convert_payloads": "aeb15e27411c",
    "temporalio.worker._workflow_instance:_WorkflowInstanceImpl._process_signal_job": "e5378d9c7fb5",
    "temporalio.worker._workflow_instance:WorkflowInstance": "35aead8adf58",
    "temporalio.contrib.opentelemetry._otel_interceptor:_headers_to_context": "160bd66fee69",
}
"""Each private function, with the beginning of its source's SHA-256."""

STORAGE = "temporalio.converter._extstore:"


@pytest.mark.parametrize("name", LEANED_ON)
def test_the_private_parts_of_the_sdk_are_unchanged(name: str) -> None:
    source = inspect.getsource(pkgutil.resolve_name(name))
    assert hashlib.sha256(source.encode()).hexdigest()[:12] == LEANED_ON[name], (
        f"{name} is another one in this version: read it, and `perdure/contracts/temporal/converter.py`, "
        "`activities/adapters/temporal/payload_storage.py` and `workflows/runner.py`, before its digest is put here"
    )


def test_the_names_by_which_the_sdk_knows_references_are_the_ones_that_are_known_here() -> None:
    names = ("_REFERENCE_ENCODING", "_REFERENCE_MARKER_KEY", "_REFERENCE_MESSAGE_TYPE")
    assert tuple(pkgutil.resolve_name(STORAGE + name) for name in names) == (LEGACY_ENCODING, MARKER, MESSAGE_TYPE)
    assert not pkgutil.resolve_name(STORAGE + "_ENCODE_STORAGE_REFERENCES"), "a codec would have to decode them first"
