"""Models of others that are asked as they are, from the hub or a directory: how they are loaded, and what they find."""
