"""State machines as pure functions: a state and an event give the next state. No clock, no I/O, no Temporal."""
