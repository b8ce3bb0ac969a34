"""Model servers: the catalogue of deployments, connections to them, what they serve, and their errors."""
