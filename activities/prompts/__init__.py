"""The exact prompts of paid steps, made from requests and the bodies that they name."""
