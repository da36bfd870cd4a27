"""What a card can be asked for in each currency: the numbers of rule K2 written down once more, and rule G13."""

from dataclasses import dataclass
from fractions import Fraction

MICROS = 1_000_000


@dataclass(frozen=True)
class NaiveCurrency:
    """`least` None is one minor unit. Amounts in micros. Rule K2."""

    code: str
    minor_units: int = 2
    least_micros: int | None = None
    step_minor: int = 1

    @property
    def minor(self) -> int:
        """One minor unit."""
        return int(MICROS // 10**self.minor_units)

    @property
    def step(self) -> int:
        """What a payable amount is a multiple of."""
        return self.minor * self.step_minor

    @property
    def least(self) -> int:
        return self.minor if self.least_micros is None else self.least_micros

    @property
    def greatest(self) -> int:
        return 99_999_999 * self.minor

    @property
    def low_balance(self) -> int:
        return 1_000 * self.minor

    def is_payable(self, amount: int) -> bool:
        """Rule G13: whole steps, neither too little nor too much."""
        return self.least <= amount <= self.greatest and amount % self.step == 0

    def payable_part(self, amount: int) -> int:
        """The most of an amount that a card can be asked for; 0 for none."""
        part = min(amount, self.greatest)
        part -= part % self.step
        return part if part >= self.least else 0

    def whole(self, amount: int) -> int:
        """An amount rounded down to whole minor units."""
        return amount - amount % self.minor

    def is_whole(self, amount: int) -> bool:
        return amount % self.minor == 0


CURRENCIES = {
    currency.code: currency
    for currency in (
        NaiveCurrency("USD", least_micros=500_000),
        NaiveCurrency("EUR", least_micros=500_000),
        NaiveCurrency("GBP", least_micros=300_000),
        NaiveCurrency("JPY", minor_units=0, least_micros=50_000_000),
        NaiveCurrency("KWD", minor_units=3, step_minor=10),
    )
}


def half_away(amount: Fraction | int, quantum: int) -> int:
    """The whole quanta nearest to the exact amount, halves away from zero. Rules M7, B2."""
    quanta = Fraction(abs(Fraction(amount))) / quantum
    whole = quanta.numerator // quanta.denominator
    whole += quanta - whole >= Fraction(1, 2)
    return int(whole * quantum * (1 if amount >= 0 else -1))
