"""Guards through Guardrails AI, with their validators and classifiers, and rules over records."""
