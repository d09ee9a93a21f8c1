"""Questions about a run, answered as plain data, for the page and for the terminal."""
