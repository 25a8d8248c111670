"""The VMstore simulator through plain HTTP, as any client would meet it; never through our own client."""
