"""Alerts: what is done when a claim of a served model changes."""
