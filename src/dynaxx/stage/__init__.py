"""One step of a cascade: diffusion, exact, regression, or a class of your own."""
