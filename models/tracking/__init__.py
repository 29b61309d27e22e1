"""Measures how well faces are followed, on scenes whose truth is known.

``sequences`` reads annotated videos and tiles several into one frame; ``generator`` draws scenes from cut-out faces
(``cast``). ``watch`` runs the detector over them once and keeps what it found, so that ``trial`` can run the tracker
many times: at other frame rates, and with one of its parts switched off. ``measures`` compares the result with the
``truth``.
"""
