"""The network access of tools: public pages, and the services in the settings."""
