"""Short-lived state that workers share: within a process, or in Redis."""
