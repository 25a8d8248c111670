"""Slack, both directions: listeners in, the outbox's sender out."""
