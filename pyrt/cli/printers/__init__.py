"""Ways to print objects: one module an output format."""
