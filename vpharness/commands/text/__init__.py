"""Text for people: tables, lines and progress, as commands print them."""
