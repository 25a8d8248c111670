"""Cloudy's data path beside other tools, on the same machine in the same minutes; see __main__.py."""
