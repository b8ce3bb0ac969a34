"""What an agent's driver is made of: calls of tools, decisions, compaction, and going on in a new execution."""
