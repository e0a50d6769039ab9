"""The engine: one thread that takes in the feed's events, closes bins and scores them."""
