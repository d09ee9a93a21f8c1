"""What passes between the program and the user: lines on standard error, text that is given, signals, suggestions."""
