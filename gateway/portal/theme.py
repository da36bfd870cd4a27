"""The look that the issuer's file gives to the page: its accent, made readable, and its logo."""

from dataclasses import dataclass
from typing import Final

from backoffice.documents.issuer import Issuer, Logo

# The raised grounds of portal.css, light and dark, where an accent is hardest to read, and the contrast that WCAG 2.2
# asks of text.
LIGHT: Final = "#f5f6f8"
DARK: Final = "#20232a"
CONTRAST_MIN: Final = 4.5
_STEPS = 100


@dataclass(frozen=True, slots=True)
class Theme:
    """`accent` is readable on the light ground and `dark_accent` on the dark one. `too_weak`: the issuer's own accent
    is not readable on the light ground.
    """

    accent: str
    dark_accent: str
    too_weak: bool

    def css(self) -> str:
        dark = f"@media (prefers-color-scheme: dark) {{ :root {{ --accent: {self.dark_accent}; }} }}"
        return f":root {{ --accent: {self.accent}; }}\n{dark}\n"


def theme_of(issuer: Issuer) -> Theme:
    accent = readable(issuer.accent, LIGHT)
    return Theme(accent, readable(issuer.accent, DARK), accent != issuer.accent)


def readable(colour: str, ground: str) -> str:
    """The colour, or the shade nearest to it that is readable on the ground: darker on a light one, lighter on a dark
    one.
    """
    away = 0 if luminance(ground) > luminance("#777777") else 255
    parts = _parts(colour)
    for step in range(_STEPS + 1):
        mixed = [part + (away - part) * step // _STEPS for part in parts]
        shade = colour if step == 0 else "#" + "".join(f"{part:02x}" for part in mixed)
        if contrast(shade, ground) >= CONTRAST_MIN:
            return shade
    raise AssertionError("black and white are readable on any ground")


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2.2 defines it, from 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of a colour, from 0 to 1."""
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _parts(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def logo_file(logo: Logo) -> tuple[bytes, str]:
    """The logo's bytes and their media type."""
    if logo.format == "svg":
        assert isinstance(logo.source, str)
        return logo.source.encode(), "image/svg+xml"
    assert isinstance(logo.source, tuple)
    return bytes(logo.source), "image/png"
