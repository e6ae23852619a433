"""The example shop behind Flask's own server, a thread for each request. Prints its port; /clock returns how much CPU
each view used by the threads' own clocks, in nanoseconds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import wraps

from flask import Flask, Response, jsonify
from shop import samples
from shop.export import to_json
from shop.intake import parse_csv
from shop.pricing import price_orders, retail
from shop.receipts import receipts
from shop.report import render
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)
goods = samples.products()
batch = samples.orders(8, goods)
till_export = samples.as_csv(batch)
quotes = price_orders(batch, retail(goods))
products = {product.sku: product for product in goods}
used: Counter[str] = Counter()


def timed(view: Callable[[], str]) -> Callable[[], str]:
    @wraps(view)
    def measured() -> str:
        began = time.thread_time_ns()
        try:
            return view()
        finally:
            used[view.__name__] += time.thread_time_ns() - began

    return measured


@app.get("/parse")
@timed
def view_parse() -> str:
    return str(len(parse_csv(till_export)))


@app.get("/price")
@timed
def view_price() -> str:
    return str(sum(quote.total for quote in price_orders(batch, retail(goods))))


@app.get("/report")
@timed
def view_report() -> str:
    return render(batch, quotes)


@app.get("/receipts")
@timed
def view_receipts() -> str:
    return receipts(batch, quotes, products)


@app.get("/export")
@timed
def view_export() -> str:
    return to_json(batch)


@app.get("/clock")
def clock() -> Response:
    return jsonify(used)


class Quiet(WSGIRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
