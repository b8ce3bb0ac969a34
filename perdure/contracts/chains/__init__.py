"""The chain: its pinned spec, the requests and replies of its effects, extraction, and citations."""
