"""The core: what a backup is and how one is made. Knows no vendor."""
