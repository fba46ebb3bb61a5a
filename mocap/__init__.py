"""Motions: recorded or authored movement of one character, read from files and stored as rotations over time.

``formats`` turns bytes into a :class:`~mocap.motion.Motion` and back. ``editing`` cuts and resamples motions, and closes them into cycles.
``catalogue`` lists the named clips, and ``fetch`` downloads the clips that may not be shipped. A broken file raises a
``ClipError`` of one line. Clips are float64 with z up, and are never changed after they are read.
"""
