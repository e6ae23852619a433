"""Many small functions in objects: no frame has a large share."""

from markupsafe import escape

TEXT = "12 apples & 3 pears < 20 plums; " * 4096


class Amount:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.cents + other.cents)

    def __lt__(self, other: "Amount") -> bool:
        return self.cents < other.cents

    @property
    def whole(self) -> int:
        return self.cents // 100


def work() -> int:
    amounts = priced(400)
    ordered = sorted(amounts)
    return summed(ordered).whole + summed(amounts).whole


def priced(count: int) -> list[Amount]:
    return [discounted(Amount(number * 37 % 1000), number % 5) for number in range(count)]


def discounted(amount: Amount, percent: int) -> Amount:
    if percent == 0:
        weigh()
    elif percent == 1:
        stamp()
    elif percent == 2:
        tally()
    elif percent == 3:
        seal()
    return Amount(part(amount.cents, 100 - percent))


def part(cents: int, percent: int) -> int:
    return cents * percent // 100


def summed(amounts: list[Amount]) -> Amount:
    total = Amount(0)
    for amount in amounts:
        total = total + amount
    return total


def weigh() -> None:
    for _ in bytes(1001):
        pass


def stamp() -> None:
    for _ in bytes(1002):
        pass


def tally() -> None:
    for _ in bytes(1003):
        pass


def seal() -> str:
    return escape(TEXT[:1004])
