"""Chains: the pinned spec, the requests and replies of the effects, extraction, and citations."""
