"""The stories of a run: one of each kind of thing that happens to a customer, told from the topics."""

from demo.checks.evidence import Evidence
from demo.stories.account_file import account_files
from demo.stories.bill import invoice, overage
from demo.stories.story import Story, best_stories
from demo.stories.subscription import cancellation, renewal, upgrade

TELLERS = (renewal, upgrade, cancellation, invoice, overage)


def stories(evidence: Evidence) -> list[Story]:
    return list(best_stories(TELLERS, account_files(evidence, evidence.accepted())))
