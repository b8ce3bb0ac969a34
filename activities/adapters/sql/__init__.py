"""What is kept in a SQL database: runs, accounts, paid replies, the ledger of calls, decisions, bodies."""
