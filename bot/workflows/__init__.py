"""The workflow files that Cloudy ships: data, not code."""
