"""Adapters: one file per outside system, one folder per family."""
