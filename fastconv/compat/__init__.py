"""Keras as older code knows it: old names and paths, and scripts that import ``keras`` itself."""
