"""From a target and a budget to a cascade: candidates, what each takes, and the best that fits."""
