"""Pages that are one file: one skeleton, filled with a package's body, style and script and with data."""
