"""Guards through Guardrails AI, the validators and classifiers behind them, and rules over records."""
