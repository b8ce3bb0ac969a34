"""The stores in a SQL database: runs, accounts, paid replies, the ledger of calls, decisions, bodies."""
