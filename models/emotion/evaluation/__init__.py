"""What a network's predictions are worth: functions from votes and probabilities to numbers, and their report."""
