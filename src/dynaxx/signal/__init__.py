"""Mathematics on grids: random streams, resampling, blur and bands, on one to three axes."""
