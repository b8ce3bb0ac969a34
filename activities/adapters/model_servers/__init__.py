"""Model servers: the catalogue of deployments, connections to them, the models they serve, and their errors."""
