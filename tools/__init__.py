"""What an agent may do to the world: one file for each tool."""
