"""Retargeting: recorded motions of any skeleton become motions of a character, with a quality report.

Joints are given roles (``mapping``), roles become targets (``targets``), and inverse kinematics meets them (``solver``).
``pipeline`` runs these steps; ``repair`` applies them to a character's own clips before training.
"""
