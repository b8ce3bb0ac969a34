"""Frozen data that crosses a boundary. One module, one subject; import from the module."""
