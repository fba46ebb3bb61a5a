"""Retargeting: recorded motions of any skeleton become motions of a character, with a quality report.

``mapping`` gives joints their roles, such as ``left_knee``. ``targets`` computes target poses by role, and ``solver``
reaches them by inverse kinematics. ``pipeline`` runs these steps; ``repair`` applies them to a character's own clips
before training.
"""
