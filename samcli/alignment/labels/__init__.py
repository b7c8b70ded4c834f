"""Which words are true of each patch of an image: found offline by several sources, kept in one format."""
