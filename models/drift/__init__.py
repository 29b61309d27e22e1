"""What moved between two outputs: of the faces, of the networks, of the world."""
