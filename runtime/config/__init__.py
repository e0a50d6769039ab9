"""The server's parameters, and other values for a signal's parameters."""
