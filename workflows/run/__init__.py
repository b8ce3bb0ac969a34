"""Parts that every run shares: paid calls, repair, outages, cancellation, and the page that operators see."""
