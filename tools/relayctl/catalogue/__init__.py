"""The catalogue: the source folders that have a `page.toml`, and so a generated page in docs/sources/."""
