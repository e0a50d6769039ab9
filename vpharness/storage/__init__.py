"""How files are kept: written whole or not at all, locked, known by their checksums, and as Parquet."""
