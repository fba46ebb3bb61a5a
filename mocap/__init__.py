"""What a motion is: recorded or authored movement of one character, read from files and kept as rotations over time.

``formats`` turns bytes into a :class:`~mocap.motion.Motion` and back, ``catalogue`` knows the named clips and where
each may be found, ``fetch`` downloads the ones that may not be shipped. Whatever is wrong with a file ends in a
``ClipError`` of one line. Clips are float64, z up, and never change once read.
"""
