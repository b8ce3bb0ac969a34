"""A payload over the server's limit goes through the blob store, under the tenant of its run."""

import uuid

from sqlalchemy import text
from temporalio.client import Client
from temporalio.worker import Worker

from activities.adapters.payload_storage import payload_storage
from activities.adapters.sql_blobs import SqlBlobs
from activities.adapters.sql_database import Database
from perdure.contracts.run import RunRequest
from tests.support.large_payload import SIZE, MeasureALot, write_a_lot
from workflows.plugin import EXTERNAL_FROM, PerdurePlugin


async def test_a_payload_over_the_servers_limit_leaves_the_history(client: Client, database: Database) -> None:
    storage = payload_storage(SqlBlobs(database), EXTERNAL_FROM)
    working = await Client.connect(
        client.service_client.config.target_host, plugins=[PerdurePlugin(external_storage=storage)]
    )
    queue = str(uuid.uuid4())
    async with Worker(working, task_queue=queue, workflows=[MeasureALot], activities=[write_a_lot]):
        handle = await working.start_workflow(MeasureALot.run, RunRequest(), id=f"default:{queue}", task_queue=queue)
        assert await handle.result() == SIZE
    assert len((await handle.fetch_history()).to_json()) < SIZE // 10
    query = text("SELECT tenant, length(body) AS size FROM bodies")
    rows = await database.read(lambda connection: connection.execute(query).all())
    assert len(rows) == 1
    assert rows[0].tenant == "default"
    assert rows[0].size > SIZE
