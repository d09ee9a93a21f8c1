"""The page of `starchart explore`: its files, the server that shows it on this machine, and the static site."""
