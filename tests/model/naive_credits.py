"""Settings in the naive model that no payment comes of."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, check_whole


def set_feature(world: World, account: NaiveAccount, wire: Wire) -> None:
    if wire["enabled"]:
        account.switches.add(wire["feature"])
    else:
        account.switches.discard(wire["feature"])


def set_redirect(world: World, account: NaiveAccount, wire: Wire) -> None:
    account.redirect_to = wire["redirect_to"]


def set_thresholds(world: World, account: NaiveAccount, wire: Wire) -> None:
    check_whole(account, *wire["thresholds_micros"])
    account.thresholds = wire["thresholds_micros"]
    account.armed_thresholds &= set(account.thresholds)
