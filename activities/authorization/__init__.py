"""Who may do what: runs are registered once, and every effect that pays, acts or decides looks them up here."""
