"""The model catalogues, and the command that shows the state of their servers."""
