"""Hold the project's vocabulary: docs/vocabulary.toml lists the banned words with their replacements."""
