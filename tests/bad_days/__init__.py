"""Every bad day is a test; docs/failures.md is made from what they show."""
