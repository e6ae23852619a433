"""A calculator's grammar."""

from pyparsing import Forward, Literal, Word, ZeroOrMore, alphas, nums, oneOf

expression = Forward()
atom = Word(nums) | Word(alphas) | Literal("(").suppress() + expression + Literal(")").suppress()
term = atom + ZeroOrMore(oneOf("* /") + atom)
expression <<= term + ZeroOrMore(oneOf("+ -") + term)


def work() -> object:
    return expression.parseString("(1 + 2) * width - 4 / (height + 5 * 6) + 7 * (8 - x)")
