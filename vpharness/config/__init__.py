"""Hydra lives here: overrides, composition, schemas, help, and where YAML files are looked for."""
