"""The reads that the gateway serves."""

from gateway.http.endpoint import JSON, Answer, Endpoint, Operation, Parameter
from gateway.http.scopes import READ
from gateway.reads import schemas
from gateway.reads.account import show
from gateway.reads.calls import CALLS
from gateway.reads.directory import EMAIL, list_accounts
from gateway.reads.documents import DOCUMENTS, PDF
from gateway.reads.explain import explain_call
from gateway.reads.lists import CSV, List
from gateway.reads.plans import list_plans

ACCOUNT = "/v1/accounts/{account_id}"
STALE = {"Tollgate-Stale": "Seconds that the answer is behind, when they are more than 10."}
TAG = {"ETag": "Names this state: send it as `If-None-Match` to be spared what you have."}

_LIMIT = Parameter("limit", schemas.LIMIT, "The most items of one answer.")
_CURSOR = Parameter("cursor", schemas.TEXT, "The `next_cursor` of an answer, to go on after it; alone but for `limit`.")
_FROM = Parameter("from", schemas.TIME, "The earliest time.")
_TO = Parameter("to", schemas.TIME, "The time before which all items are.")
_UNCHANGED = Answer("What `If-None-Match` names is still so.", headers=STALE | TAG)


def _list(of: List, summary: str, item: schemas.Schema) -> Endpoint:
    types = (Parameter("type", {"enum": list(of.types)}, "Only events of this type."),) if of.types else ()
    description = "Newest first. As `text/csv`, all rows from `from` to `to`."
    answer = Answer("The items, newest first.", schemas.list_of(item), headers=STALE)
    operation = Operation(f"list_{of.name}", summary, {200: answer}, description)
    return Endpoint(
        "GET",
        f"{ACCOUNT}/{of.name}",
        of.answer,
        READ,
        operation,
        query=(_LIMIT, _CURSOR, _FROM, _TO, *types),
        produces=(JSON, CSV),
    )


def _events(name: str, topic: str, summary: str, *, typed: bool = False) -> Endpoint:
    types = schemas.types_of(topic)
    return _list(List(name, types if typed else ()), summary, schemas.event_of(types))


_LISTS = (
    _events("charges", "charges", "Charges and adjustments"),
    _events("ledger", "ledger-entries", "Movements of the wallet"),
    _events("alerts", "alerts", "Alerts", typed=True),
    _events("invoices", "invoices", "Invoices, what became of them, and receipts", typed=True),
    _list(List(CALLS), "Calls with their decision, charge and adjustments", schemas.CALL),
)

_ACCOUNTS = Endpoint(
    "GET",
    "/v1/accounts",
    list_accounts,
    READ,
    Operation(
        "list_accounts",
        "The accounts of the key, by their ids",
        {200: Answer("The latest snapshots.", schemas.list_of(schemas.SNAPSHOT), headers=STALE)},
    ),
    query=(_LIMIT, _CURSOR, Parameter(EMAIL, schemas.TEXT, "Only accounts of exactly this address.")),
)

_ACCOUNT = Endpoint(
    "GET",
    ACCOUNT,
    show,
    READ,
    Operation(
        "get_account",
        "An account as it now stands",
        {200: Answer("The latest snapshot.", schemas.ACCOUNT, headers=STALE | TAG), 304: _UNCHANGED},
        headers=(Parameter("If-None-Match", schemas.TEXT, "The `ETag` of an earlier answer."),),
    ),
    query=(
        Parameter("min_version", schemas.COUNT, "Wait up to 2 s for this version, or a later one, of the account."),
    ),
)

_EXPLAIN = Endpoint(
    "GET",
    f"{ACCOUNT}/explain",
    explain_call,
    READ,
    Operation(
        "explain_call",
        "Why a call costs what it costs",
        {200: Answer("The reasons, and the cost computed again.", schemas.EXPLANATION, headers=STALE)},
    ),
    query=(Parameter("call_id", schemas.TEXT, "The call.", required=True),),
)


def _pdf(kind: str) -> Endpoint:
    return Endpoint(
        "GET",
        f"{ACCOUNT}/{kind}.pdf",
        DOCUMENTS.invoice if kind == "invoice" else DOCUMENTS.receipt,
        READ,
        Operation(
            f"get_{kind}_pdf",
            f"The PDF of one {kind}",
            {200: Answer("The document.", media_type=PDF, headers=STALE | TAG), 304: _UNCHANGED},
            headers=(Parameter("If-None-Match", schemas.TEXT, "The `ETag` of an earlier answer."),),
        ),
        query=(Parameter(f"{kind}_id", schemas.TEXT, f"The {kind}.", required=True),),
        produces=(PDF,),
    )


_PLANS = Endpoint(
    "GET",
    "/v1/plans",
    list_plans,
    None,
    Operation("list_plans", "The plans on offer", {200: Answer("The plans.", schemas.PLANS)}),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *(_ACCOUNTS, _ACCOUNT, *_LISTS, _EXPLAIN),
    *(_pdf("invoice"), _pdf("receipt"), _PLANS),
)
