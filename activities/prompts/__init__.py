"""The exact prompts of paid steps, built from requests and the bodies that they name."""
