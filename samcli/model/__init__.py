"""The model, its parts and its weights."""
