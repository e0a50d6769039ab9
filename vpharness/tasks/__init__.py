"""Tasks: one small function a command, config in and value out."""
