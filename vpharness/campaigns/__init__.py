"""Campaigns: the definition of a run, the plan of many, their execution and their results."""
