"""State that workers share for a short time: in process, or in Redis."""
