"""A made set to look at: a page, counts with a funnel, and single samples as text and as one picture."""
