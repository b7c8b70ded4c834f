"""Whether each visual token means, to the LLM, what its patch shows: labels, objectives, measures."""
