"""What happens around every effect: heartbeats, errors as Temporal takes them, and the account of a reset run."""
