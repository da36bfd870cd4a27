"""The gateway with forms of its own, for the tests of what all forms share: `python -m tests.gateway.portal.served`."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from gateway.portal.actions import Action, FieldError, Form, Wish
from gateway.portal.all_pages import SITE
from gateway.portal.pages import Download, Page
from gateway.portal.site import Site
from gateway.portal.visit import Visit
from gateway.run import run

PROGRAM = ("tests.gateway.portal.served",)
PATH, SEND, GRANT, LEAVE, FILE, ONLY = (
    f"/portal/test-{name}" for name in ("form", "send", "grant", "leave", "file", "only")
)
# more.html, which needs nothing that every page does not have, but for the meaning of the entries.
MEANING = dict.fromkeys(("plan", "handling", "cards", "settings"), "")


async def context(_: Visit) -> dict[str, Any]:
    return {"meaning": MEANING}


async def buy(visit: Visit, form: Form) -> Wish:
    """A purchase, which needs a card; `amount` is the field that its refusal stands beside."""
    amount_micros = form.money("amount", visit.words)
    if form.raw("purpose") == "none":
        raise FieldError("purpose", "Say what it is for.")
    return Wish(
        "credits-purchase-requested",
        {"purchase_id": f"p-{form.form_id}", "amount_micros": amount_micros},
        shown_at={"amount_micros": "amount"},
    )


async def redirect(_: Visit, form: Form) -> Wish:
    return Wish("redirect-set", {"redirect_to": form.text("number")}, shown_at={"redirect_to": "number"})


async def grant(_: Visit, form: Form) -> Wish:
    """What no owner may ask for."""
    return Wish(
        "credits-granted", {"grant_id": form.form_id, "amount_micros": 1_000_000, "reason": "luck", "actor": "me"}
    )


async def leave(_: Visit, __: Form) -> Response:
    return RedirectResponse("https://checkout.stripe.com/c/pay/cs_1", 303)


async def respond(_: Visit) -> Response:
    return Response(b"a,b\r\n", media_type="text/csv")


FORM = Page(PATH, "more", "Test", "more.html", context)
MINE = Site(
    (*SITE.pages, FORM, Page(ONLY, "more", "Only to change", "more.html", context, changes=True)),
    (
        *SITE.actions,
        Action(PATH, FORM, buy, done=f"{PATH}?a=1#there", notice="test-bought", notice_text="The test was bought."),
        Action(SEND, FORM, redirect, done=lambda visit, _: f"{PATH}?account={visit.session.account_id}"),
        Action(GRANT, FORM, grant, done=PATH),
        Action(LEAVE, FORM, leave, done=PATH),
    ),
    (*SITE.downloads, Download(FILE, respond)),
)

if __name__ == "__main__":
    run(site=MINE)
