"""Authorization: a run is registered once, and every effect that pays, acts or decides looks it up here."""
