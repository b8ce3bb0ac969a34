"""The effects: one file for each thing that a workflow may ask for. They do not import each other."""
