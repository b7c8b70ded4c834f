"""A bridge to `salesforce-lavis`, which lives in an environment of its own."""
