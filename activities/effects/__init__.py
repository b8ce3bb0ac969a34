"""The effects: one file for each thing that a workflow may ask the world for. They do not import each other."""
