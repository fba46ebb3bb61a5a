"""Makes a recorded motion fit the character that shall perform it.

So far clip and character share a skeleton, and two things remain: ``mirror`` turns a motion to the other side, and
``ground`` lifts it out of the floor that recordings sink into. Motions of other skeletons will be mapped here.
"""
