"""Answers of decoder-only language models, token by token: beams as released, greedy search, and sampling."""
