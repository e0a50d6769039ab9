"""Promotion: from a run that won to what is served, and back."""
