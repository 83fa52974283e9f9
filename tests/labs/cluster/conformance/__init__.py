"""What every cluster driver promises, tested on each."""
