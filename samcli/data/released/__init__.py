"""Readers of the layouts in which others publish datasets, one module for each."""
