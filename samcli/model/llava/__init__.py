"""The projector family: vision tower, projector, LLM; every patch of an image becomes a visual token."""
