"""Reading of texts: days, numbers, names, sentences, records and editions. Pure functions."""
