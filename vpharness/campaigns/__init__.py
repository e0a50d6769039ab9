"""Campaigns: what a run is, and how it is carried out."""
