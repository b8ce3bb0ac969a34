"""Deploys the platform: the embedded stack, the model catalogue, and the commands of production."""
