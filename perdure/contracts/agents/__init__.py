"""Agents: their specs and runs, the requests and replies of their effects, transcripts and compaction."""
