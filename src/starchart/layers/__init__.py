"""Where tokens exchange what they know (attention) and think about it alone (feed-forward)."""
