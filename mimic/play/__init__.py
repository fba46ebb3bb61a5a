"""Characters that are told where to go.

``PATHS`` are the paths that a controller of several clips can be led along; see `mimic.play.path_following`.
"""

PATHS = ("eight", "left", "right")
