"""Texts, transcripts and pinned specs in the blob store, by digest."""
