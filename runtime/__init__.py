"""The live server: one feed, one live session, any number of clients."""
