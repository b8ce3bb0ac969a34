"""The lean loop's store: messages in SQLite, each under the digest of itself and of the one before it."""

import hashlib
import json
import sqlite3
from pathlib import Path

from tests.bench.agents.loops.contracts import Head, Message

_TELL = """
WITH RECURSIVE told(depth, parent, body) AS (
  SELECT 0, parent, body FROM messages WHERE digest = ?
  UNION ALL
  SELECT depth + 1, messages.parent, messages.body FROM told JOIN messages ON messages.digest = told.parent
)
SELECT body FROM told ORDER BY depth DESC
"""


class Messages:
    """The store, one file. A message is on disk before its digest is returned, because a history refers to it."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS messages (digest TEXT PRIMARY KEY, parent TEXT, body TEXT) WITHOUT ROWID"
        )

    def store(self, message: Message, head: Head | None) -> Head:
        """Add a message after `head`, and return the new head. A second call changes nothing."""
        parent = head.digest if head else ""
        body = json.dumps(message)
        digest = hashlib.sha256(f"{parent}{body}".encode()).hexdigest()
        self._database.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", (digest, parent, body))
        return Head(digest=digest)

    def conversation(self, head: Head) -> list[Message]:
        """Return the whole conversation, the oldest message first."""
        return [json.loads(body) for (body,) in self._database.execute(_TELL, (head.digest,))]

    def close(self) -> None:
        self._database.close()
