"""Calls of models through LiteLLM, and what each kind of server needs in a request and a reply."""
