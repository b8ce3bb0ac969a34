"""The model catalogues, and the command that shows how the servers behind them are."""
