"""Stand-ins that speak the real protocols; they import nothing of `bot`."""
