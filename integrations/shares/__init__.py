"""Ways to reach the files of an export; the registry line of each goes here."""
