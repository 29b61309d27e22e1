"""Second stage: find the faces of every frame, follow them through time, cut aligned crops.

``stage`` joins the parts: ``detector`` finds faces in one picture (``opened`` opens it with what its card says),
``tracker`` links them over time (``association`` says which detection belongs to which track, ``kalman`` says where a
track should be, ``appearance`` what it looks like, ``landmarks`` steadies the five points, ``cuts`` notices a new
scene), and ``pose``, ``align`` and ``quality`` describe each face for the next stage.
"""
