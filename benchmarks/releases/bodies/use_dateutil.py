"""Dates as people write them."""

from dateutil import parser

TEXTS = ["2024-03-01T12:30:45Z", "Thu Sep 25 10:36:28 2003", "10 Sept 2003 at 5pm", "2003.09.25", "1:30 pm 5/6/07"]


def work() -> object:
    return [parser.parse(text) for text in TEXTS]
