"""Calls of models through LiteLLM, with the special requests and replies of each kind of server."""
