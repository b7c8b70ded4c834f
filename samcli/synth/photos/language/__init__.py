"""Language models that write: behind an OpenAI-compatible endpoint, or loaded here; nothing is asked twice."""
