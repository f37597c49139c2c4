"""One module for each library that is measured, with the same face: see base.py."""
