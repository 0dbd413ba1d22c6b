"""The backend of the picture, which matplotlib imports by its name."""

hiddenimports = ["matplotlib.backends.backend_svg"]
