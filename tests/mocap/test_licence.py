from mimic.exporting.licence import commercial_use
from mocap.licence import licence_of_clips


def test_clips_of_one_licence_have_that_licence():
    assert licence_of_clips(["CC0: no rights reserved"] * 3) == "CC0: no rights reserved"
    assert licence_of_clips([""]) == ""


def test_clips_of_several_licences_state_all_of_them_and_the_strictest_one_counts():
    text = licence_of_clips(["CC0", "", "CC0", "CC BY-NC 4.0"])
    assert text == "of several clips: (1) CC0; (2) not stated; (3) CC BY-NC 4.0"
    assert commercial_use(text) == "not allowed"
    assert commercial_use(licence_of_clips(["CC0", "not stated"])) == "unclear"
