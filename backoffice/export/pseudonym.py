"""Pseudonyms of payment methods' tokens: with a token and the provider's key a card can be charged. Rule M9."""

from hashlib import blake2b

_LETTERS = "abcdefghijklmnop"
_BYTES = 10
MASKED = "masked"


def token_pseudonym(account_id: str, payment_method_id: str, token: str) -> str:
    """What stands for a token in an exported file: always the same for the same token of the same payment method, and
    of no use at the provider.

    The rules compare the tokens of one `payment_method_id` (another card under it is not blocked, rule R7), so one word
    for all tokens would change what `replay` gives. The account is part of the digest: nobody can see that two accounts
    have the same card. Letters only: digits could look like a card number, which `replay` refuses (rule P16).
    """
    digest = blake2b(f"{account_id}\0{payment_method_id}\0{token}".encode(), digest_size=_BYTES).digest()
    return f"{MASKED}-{''.join(_LETTERS[byte >> 4] + _LETTERS[byte & 15] for byte in digest)}"
