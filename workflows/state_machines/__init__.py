"""Pure transition functions: a state and what happened give the next step. No clock, no I/O, no Temporal."""
