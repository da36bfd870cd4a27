"""Pages that say what went wrong and what to do next."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from gateway.http.problem import RETRY_AFTER_S, Problem
from gateway.portal.screen import HOME, Message

_HOME = (HOME, "Go to the overview")
NOT_FOUND = Message(404, "There is no such page", "The address may be wrong, or the page may be gone.", _HOME)
FOREIGN = Message(
    403, "This form came from another site", "Nothing was changed. Open the page again and send the form there.", _HOME
)
READ_ONLY = Message(403, "This link cannot change anything", "It shows the account. Nothing was changed.", _HOME)
NOT_ALLOWED = Message(403, "This cannot be done here", "Nothing was changed.", _HOME, ask=True)
INTERNAL = Message(500, "Something went wrong", "Try again. If it happens again, let us know.", _HOME, ask=True)
LINK_GONE = Message(
    410,
    "This link cannot be used",
    "A link opens the page once, within 15 minutes. This one was used, is too old, or is not complete.",
    ask=True,
)
# Links in mails lead to pages that a session opens.
NO_SESSION = Message(
    401,
    "You are not signed in",
    "This page opens with a link, and stays open for one hour. You need a new link.",
    ask=True,
)
_STATUSES = {
    400: ("This address is not complete", "Go back and try again."),
    404: (NOT_FOUND.title, NOT_FOUND.text),
    408: ("That took too long", "Your connection was slow. Try again."),
    413: ("This form is too long", "Use less text and send the form again."),
    415: ("This form cannot be read", "Send it from the page itself."),
    429: ("Too many requests", "Wait a moment and try again."),
    500: (INTERNAL.title, INTERNAL.text),
}


def ended(status: int) -> Message:
    """Without a session: 401 for what is read, 403 for what was to be changed."""
    text = "It lasts one hour, and ends when you sign out. You need a new link to open the page again."
    nothing = " Nothing was changed." if status == 403 else ""
    return Message(status, "Your session has ended", text + nothing, ask=True)


def signed_out(return_url: str | None) -> Message:
    leads = None if return_url is None else (return_url, f"Back to {urlsplit(return_url).hostname}")
    return Message(200, "You are signed out", "You need a new link to open the page again.", leads)


def away(request: Request) -> Message:
    return Message(
        503,
        "We cannot show your account right now",
        "Your calls are not affected, and your credits are safe. Try again in a moment.",
        (_again(request), "Try again"),
        {"Retry-After": str(RETRY_AFTER_S)},
        ask=True,
    )


def not_served(methods: Collection[str]) -> Message:
    allowed = {*methods, "HEAD"} if "GET" in methods else set(methods)
    return Message(
        405,
        "This page cannot be opened this way",
        "Forms are sent to this address. Go to the page with the form instead.",
        _HOME,
        {"Allow": ", ".join(sorted(allowed))},
    )


def of_problem(problem: Problem, request: Request) -> Message:
    """The page for a refusal of the gateway's reads."""
    if problem.status == 503:
        return away(request)
    if problem.status == 401:
        return ended(401)
    title, text = _STATUSES.get(problem.status, _STATUSES[500])
    return Message(problem.status, title, text, _HOME, dict(problem.headers), ask=problem.status >= 500)


def _again(request: Request) -> str:
    """The same page; of a form the overview, since a link cannot send it again."""
    path: str = request.scope["raw_path"].decode("latin-1")
    return path if request.method in {"GET", "HEAD"} and path.startswith(HOME) else HOME
