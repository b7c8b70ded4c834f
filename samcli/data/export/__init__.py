"""A set in the formats in which others publish, stream and load data: Parquet and WebDataset, in shards."""
