"""Change a cascade by what was measured."""
