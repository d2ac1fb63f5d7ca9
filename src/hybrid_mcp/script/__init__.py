"""Scripts: their model, the composer that makes one from a paper, and the check of their evidence."""
