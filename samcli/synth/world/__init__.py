"""The embedded world: pictures, words and tasks, made from seeds."""
