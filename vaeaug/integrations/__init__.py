"""Optional worlds, one module each; imported only by those who live there."""
