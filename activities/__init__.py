"""Effects: what the platform does to the world. Each activity is handed its ports; only adapters know a vendor."""
