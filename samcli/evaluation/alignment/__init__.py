"""`sam eval --task alignment`: what the visual tokens of a model mean to its LLM, measured and drawn."""
