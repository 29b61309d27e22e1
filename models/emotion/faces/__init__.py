"""Faces with labels, in whatever form a data set comes, read as one thing: votes for the eight expressions."""

from models.emotion.faces.labelled import SIZE, LabelledFaces
from models.emotion.faces.reader import read_faces

__all__ = ["SIZE", "LabelledFaces", "read_faces"]
