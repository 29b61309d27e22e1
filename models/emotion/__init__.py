"""The emotion network: its training, export and measurement (see README.md beside this file)."""
