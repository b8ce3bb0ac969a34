"""Agents: what one is, the requests and replies of its effects, its transcript and its compaction."""
