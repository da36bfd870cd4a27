"""The operator's colour where it has to be read: on a light and on a dark ground. WCAG 2.2, contrast."""

from dataclasses import dataclass

WHITE, BLACK = "#ffffff", "#111318"
LIGHT_GROUND, DARK_GROUND = WHITE, "#1b1e24"
# What a button needs against the ground, and its text against the button.
CONTROL_CONTRAST = 3.0
TEXT_CONTRAST = 4.5
_STEPS = 20


@dataclass(frozen=True, slots=True)
class Button:
    """A button's two colours, as `#rrggbb`."""

    ground: str
    text: str


def button_on(ground: str, colour: str) -> Button:
    """A button in `colour`, made darker or lighter until it stands out from `ground` and its text can be read."""
    towards = BLACK if contrast(ground, BLACK) > contrast(ground, WHITE) else WHITE
    for step in range(_STEPS + 1):
        mixed = _mix(colour, towards, step)
        text = max((WHITE, BLACK), key=lambda one: contrast(mixed, one))
        if contrast(mixed, ground) >= CONTROL_CONTRAST and contrast(mixed, text) >= TEXT_CONTRAST:
            return Button(mixed, text)
    raise AssertionError(f"{towards} stands out from every ground")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    linear: float = channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
    return linear


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(colour: str, towards: str, step: int) -> str:
    """`colour`, moved by `step` of `_STEPS` towards the other one."""
    pairs = zip(_channels(colour), _channels(towards), strict=True)
    return "#" + "".join(f"{(one * (_STEPS - step) + other * step) // _STEPS:02x}" for one, other in pairs)
