"""What signals are written with, and what runs them: operators over time, cells of a grid, and the scorer."""
