"""How mails look: the operator's name, colour, logo and addresses, from `[brand]`, else from the issuer's file."""

import struct
from dataclasses import dataclass
from pathlib import Path

import msgspec
import typst

from agents.notifier.mail.colour import DARK_GROUND, LIGHT_GROUND, Button, button_on
from agents.notifier.tables import Brand
from backoffice.documents.issuer import Issuer, IssuerError, Logo, load_logo
from backoffice.documents.wording import plain
from stream.fail_stop import PersonNeededError

_HERE = Path(__file__).parent
# A logo has twice the pixels that it is shown at, for screens of two pixels a point.
_PIXELS_PER_INCH = 144
_PNG_SIZE = slice(16, 24)
_PORTAL = "/portal"


class MailSetupError(PersonNeededError):
    """Mails cannot be made with these settings. The message names the file or the key, and the remedy."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, and the size at which it is shown."""

    png: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Look:
    """What every mail shows of the operator. Texts are empty where there is none."""

    name: str
    support_email: str
    portal_url: str
    light: Button
    dark: Button
    logo: Picture | None

    def link(self, path: str) -> str:
        """The address of one of the owner's pages (`/portal/…`); empty without `portal_url`."""
        return f"{self.portal_url}{path}" if self.portal_url else ""


def look_of(brand: Brand, issuer: Issuer, issuer_logo: Logo | None) -> Look:
    """The look of the mails. Raises MailSetupError when the logo cannot be shown."""
    colour = brand.colour or issuer.accent
    return Look(
        name=plain(brand.name or issuer.name),
        support_email=plain(brand.support_email or issuer.email),
        # The page is at `/portal` of the address; whoever writes that as well means the same.
        portal_url=(brand.portal_url or "").rstrip("/").removesuffix(_PORTAL),
        light=button_on(LIGHT_GROUND, colour),
        dark=button_on(DARK_GROUND, colour),
        logo=_picture(brand.logo, issuer_logo),
    )


def _picture(own: Path | None, issuer_logo: Logo | None) -> Picture | None:
    """The logo as PNG: mail programs show no SVG."""
    try:
        logo = issuer_logo if own is None else load_logo(own, "[brand]")
        if logo is None:
            return None
        made = _drawn(logo)
    except IssuerError as error:
        raise MailSetupError(str(error)) from None
    except typst.TypstError as error:
        whose = "the issuer's logo" if own is None else f"[brand]: logo: {own}"
        raise MailSetupError(f"{whose} cannot be drawn: {error.message}; save it again as PNG or SVG") from None
    width, height = struct.unpack(">II", made[_PNG_SIZE])
    return Picture(made, width // 2, height // 2)


def _drawn(logo: Logo) -> bytes:
    compiler = typst.Compiler(_HERE / "logo.typ", root=_HERE)
    made = compiler.compile(format="png", ppi=_PIXELS_PER_INCH, sys_inputs={"logo": msgspec.json.encode(logo).decode()})
    first = made[0] if isinstance(made, list) else made
    assert isinstance(first, bytes)
    return first
