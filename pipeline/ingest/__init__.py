"""First stage: opens cameras and files, decodes them and says when each frame was taken."""
