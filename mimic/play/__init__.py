"""Steering: a controller of several clips follows a path.

``PATHS`` names the paths; see `mimic.play.path_following`.
"""

PATHS = ("eight", "left", "right")
