"""The only package that imports vendors' libraries. Worker roles import the modules that they need."""
