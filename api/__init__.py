"""The HTTP API: Perdure for services in any language. It holds no state that a restart could lose."""
