"""The stream: the bins, configuration and status that clients are sent, and what a client may ask for."""
