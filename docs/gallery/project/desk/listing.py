"""A page of orders with the names of their customers, from SQLite."""

from __future__ import annotations

import sqlite3


def database(orders: int = 300, customers: int = 80) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER, cents INTEGER)")
    db.executemany("INSERT INTO customer VALUES (?, ?)", ((i, f"Customer {i}") for i in range(customers)))
    db.executemany(
        "INSERT INTO purchase VALUES (?, ?, ?)", ((i, i * 7 % customers, i * 1237 % 99_000) for i in range(orders))
    )
    return db


def page(db: sqlite3.Connection) -> str:
    return "\n".join(row(*purchase) for purchase in purchases(db))


def purchases(db: sqlite3.Connection) -> list[tuple[int, str, int]]:
    return db.execute(
        "SELECT purchase.id, customer.name, cents FROM purchase JOIN customer ON customer.id = customer ORDER BY cents"
    ).fetchall()


def row(number: int, name: str, cents: int) -> str:
    return f"<tr><td>{number:06}</td><td>{name}</td><td>{money(cents)}</td></tr>"


def money(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02} €"
