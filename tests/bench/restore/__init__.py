"""Restores beside other tools."""
