"""Plays a recorded conversation to the stand-in and compares the answers."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
TOLERANCE = 10
"""Seconds by which times may differ: what takes real Stripe a while is done here in the same second."""
ABSENT = "(absent)"
_NAME = re.compile(r"\{([a-z_]+\d*|price:[^}]+)\}")
_TIME = re.compile(r"[+-]\d+\Z")


@dataclass(frozen=True)
class Difference:
    """A fact that isn't so here."""

    conversation: str
    step: int
    path: str
    recorded: Any
    here: Any

    def __str__(self) -> str:
        return f"{self.conversation} step {self.step}: {self.path} was {self.recorded!r}, is {self.here!r}"


def names() -> list[str]:
    """Every conversation."""
    return sorted(path.stem for path in HERE.glob("*.json"))


class Replay:
    """One conversation, played to a client; `at` sets the clock of the Stripe that it talks to."""

    def __init__(self, name: str, client: httpx.Client) -> None:
        self.name = name
        self.facts: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
        self.began: int = self.facts["began"]
        self._client = client
        self._ids: dict[str, str] = {}

    def prepare(self) -> None:
        """Make what there was before: prices, and coupons under their own ids."""
        before = self.facts.get("before", {})
        products: dict[str, str] = {}
        for name, price in before.get("prices", {}).items():
            if price["product"] not in products:
                product = {"name": price["product"], "unit_label": price.get("unit")}
                products[price["product"]] = self._made("products", product)
            given = {
                "product": products[price["product"]],
                "unit_amount": price["amount"],
                **{key: price.get(key) for key in ("currency", "tax_behavior", "nickname")},
            }
            if "every" in price:
                count, interval = price["every"].split()
                given |= {"recurring[interval]": interval, "recurring[interval_count]": count}
            self._ids[f"price:{name}"] = self._made("prices", given)
        for id, coupon in before.get("coupons", {}).items():
            self._made("coupons", {"id": id, **coupon})

    def steps(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The steps, by their number."""
        yield from enumerate(self.facts["steps"])

    def differences(self, number: int, step: dict[str, Any]) -> list[Difference]:
        """Send a step's request; gives what is otherwise than it was recorded."""
        answer = self._send(step)
        body = answer.json()
        found = []
        if answer.status_code != step["status"]:
            said = f"{answer.status_code} {(body.get('error') or {}).get('message', '')}".strip()
            found.append(self._difference(number, "status", step["status"], said))
        for name, path in step.get("keep", {}).items():
            self._ids[name] = str(_value(body, path))
        for path, recorded in step["is"].items():
            here = _value(body, path)
            if not self._same(recorded, here):
                found.append(self._difference(number, path, recorded, self._said(recorded, here)))
        return found

    def _send(self, step: dict[str, Any]) -> httpx.Response:
        method, path = step["do"].split()
        given = step.get("with", {})
        pairs = [
            (key, self._put(value)) for key, value in (given if isinstance(given, list) else given.items())
        ]
        headers = {"Stripe-Version": self.facts["version"]}
        if "key" in self.facts:
            headers["Authorization"] = f"Bearer {self.facts['key']}"
        if method == "POST":
            body = httpx.QueryParams(pairs)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return self._client.post(self._put(path), content=str(body), headers=headers)
        return self._client.request(method, self._put(path), params=pairs, headers=headers)

    def _made(self, kind: str, given: dict[str, Any]) -> str:
        data = {key: str(value) for key, value in given.items() if value is not None}
        answer = self._client.post(f"/v1/{kind}", data=data)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def _put(self, text: str) -> str:
        return _NAME.sub(lambda found: self._ids.get(found[1], found[0]), text)

    def _same(self, recorded: Any, here: Any) -> bool:
        if isinstance(recorded, str) and _TIME.match(recorded) and isinstance(here, int):
            return abs(self.began + int(recorded) - here) <= TOLERANCE
        if isinstance(recorded, str):
            return self._put(recorded) == here
        return bool(recorded == here) and isinstance(recorded, bool) == isinstance(here, bool)

    def _said(self, recorded: Any, here: Any) -> Any:
        """The other value, its time as the recorded one's is written."""
        timed = isinstance(recorded, str) and _TIME.match(recorded)
        return f"{here - self.began:+d}" if timed and isinstance(here, int) else here

    def _difference(self, step: int, path: str, recorded: Any, here: Any) -> Difference:
        return Difference(self.name, step, path, recorded, here)


def _value(body: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(body, list) and part == "#":
            return len(body)
        if isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        elif isinstance(body, dict) and part in body:
            body = body[part]
        else:
            return ABSENT
    return body
