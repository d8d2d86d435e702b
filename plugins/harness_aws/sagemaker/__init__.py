"""Real-time endpoints of Amazon SageMaker: those that run already, and those that are rented for one cell."""
