"""How the platform is deployed: the embedded stack, the model catalogue, and what production needs."""
