"""What every run shares: paid calls, repair, outages, cancellation, and what operators see of it."""
