"""Scores, statistics and tables."""
