"""Object stores; the registry line of each goes here."""
