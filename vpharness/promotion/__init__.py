"""Promotion: from a winning run to the bundle that a server loads, and rollback."""
