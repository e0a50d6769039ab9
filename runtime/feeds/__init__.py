"""Feeds of the live server: what happens next, and up to when that is all, paced by a clock."""
