"""Engines: how calls are carried out in other processes of this machine, or on other machines."""
