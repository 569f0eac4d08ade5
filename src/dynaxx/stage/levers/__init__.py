"""What makes a foreign network faster on the machine at hand: tried on a real call of it, kept only where it does."""
