"""From the tidy frame to what the book shows: the square of calibration by evaluation languages, its display, and the paper's claims."""
