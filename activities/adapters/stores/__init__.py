"""Stores of documents: LanceDB and Weaviate, the chunks in them, and the embedder."""
