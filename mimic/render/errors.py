"""What goes wrong with pictures."""

from mimic.core.errors import InputError


class RenderError(InputError):
    """No picture could be made. Nothing depends on pictures: catch it, say it, go on."""
