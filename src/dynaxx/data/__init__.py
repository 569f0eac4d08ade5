"""Real and synthetic signals with captions, read safely, and reported by name where they cannot be used."""
