"""What texts state: days, numbers, names, sentences, records and editions. Pure functions."""
