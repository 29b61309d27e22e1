"""Recorded videos: one after the other (``file``), side by side (``archive``), a long one in parts (``long``)."""
