"""What is shipped: every locked package, program and file of weights, with its licence, as a page and as an SBOM."""
