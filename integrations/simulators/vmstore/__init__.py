"""A VMstore on loopback: REST API plus export folder."""
