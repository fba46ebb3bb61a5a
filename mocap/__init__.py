"""Motions: recorded or authored movement of one character, read from files and stored as rotations over time.

``formats`` turns bytes into a :class:`~mocap.motion.Motion` and back. ``editing`` cuts, resamples and closes motions.
``catalogue`` lists the named clips, and ``fetch`` downloads those that may not be shipped. A broken file raises a
``ClipError`` of one line. Clips are float64, z up, and never change once read.
"""
