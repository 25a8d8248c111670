"""VMstore adapters; the registry line of each goes here."""
