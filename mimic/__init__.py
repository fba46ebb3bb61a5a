"""Physics, task, learning and products: from a reference motion to a controller."""
