"""Execution of resting orders: their place in the queue, and when the market would have filled them."""
