"""Objects are cut out of their photographs: segmenters, the care of their masks, and a cache that outlasts them."""
