"""How signals are written and run: operators over time, cells of a grid, and the scorer."""
