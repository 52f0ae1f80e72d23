"""The enforcer that touches nothing: it remembers what would be blocked, and says it in the language of nft(8).

What it says is the specification of the other: fed to ``nft -f -`` it makes the table that ``nftables`` makes by netlink, and a
test insists on that. It serves rehearsals (a new jail on a live machine, ``banish replay``) and people who want to read what a
ban does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from banish.addresses import Network
from banish.enforcement.layout import (
    CHAIN,
    FOR_EVER,
    LIFTED,
    NEIGHBOUR_DISCOVERY,
    PRIORITY,
    SLACK,
    TABLE,
    AddressSet,
    Layout,
    Plan,
    Refusal,
    Rule,
    lasts,
)
from banish.enforcement.scopes import Ports, Record, Scope

_LINE = 500  # elements a line: nft reads any length, people and pagers do not


class DryRun:
    """Remembers and tells. *tell* is called with the script of each transaction, lines that end in a newline."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self._layout = Layout()
        self._scopes: tuple[Scope, ...] = ()
        self._held: dict[AddressSet, dict[bytes, float]] = {}

    def replace(self, scopes: Sequence[Scope], records: Sequence[Record], now: float) -> list[Refusal]:
        layout = Layout(scopes)
        plan = layout.plan_all(records, now)
        self._say(
            f"add table inet {TABLE}",
            f"delete table inet {TABLE}",
            f"add table inet {TABLE}",
            f"add chain inet {TABLE} {CHAIN} {{ type filter hook prerouting priority {PRIORITY}; policy accept; }}",
            f'add rule inet {TABLE} {CHAIN} iifname "lo" accept',
            f"add rule inet {TABLE} {CHAIN} icmpv6 type {{ {', '.join(NEIGHBOUR_DISCOVERY.values())} }} accept",
            *_sets_and_rules(plan),
            *_elements(plan, {}),
        )
        layout.adopt(plan)
        self._layout = layout
        self._scopes = tuple(scopes)
        self._held = {}
        self._remember(plan, now)
        return plan.refused

    def apply(self, records: Sequence[Record], now: float) -> list[Refusal]:
        plan = self._layout.plan(records, now)
        self._say(*_sets_and_rules(plan), *_elements(plan, self._held))
        self._layout.adopt(plan)
        self._remember(plan, now)
        return plan.refused

    def stop(self) -> None:
        self._say(f"add table inet {TABLE}", f"delete table inet {TABLE}")
        self.close()

    def close(self) -> None:
        self._layout = Layout()
        self._scopes = ()
        self._held = {}

    def holds(self, now: float) -> dict[tuple[str, Network], float]:
        return {
            (addresses.jail, addresses.network(packed)): ends
            for addresses, elements in self._held.items()
            for packed, ends in elements.items()
            if ends > now
        }

    def script(self, now: float) -> str:
        """Return the script that makes what stands at *now*, out of nothing or of anything."""
        lines: list[str] = []
        standing = [Record("ban", jail, network, ends) for (jail, network), ends in self.holds(now).items()]
        DryRun(lines.append).replace(self._scopes, standing, now)
        return "".join(lines)

    def intact(self) -> bool:
        return True

    def disturbed(self) -> bool:
        return False

    def missing(self, records: Sequence[Record], now: float) -> list[Record]:
        held = self.holds(now)
        return [one for one in records if held.get((one.jail, one.network), now) + SLACK < now + lasts(one, now)]

    def _say(self, *lines: str) -> None:
        if self._tell is not None and lines:
            self._tell("".join(f"{line}\n" for line in lines))

    def _remember(self, plan: Plan, now: float) -> None:
        for addresses, elements in plan.elements.items():
            held = self._held.setdefault(addresses, {})
            for packed, left in elements.items():
                if left == LIFTED:
                    held.pop(packed, None)
                else:
                    held[packed] = math.inf if left == FOR_EVER else now + left / 1000


def render_rule(rule: Rule) -> str:
    """Return *rule* as nft reads it: ``tcp dport 22 ip saddr @sshd-ip4 counter drop``."""
    addresses = rule.addresses
    words = []
    if rule.ports:
        words.append(f"{rule.protocol} dport {_ports(rule.ports)}")
    elif rule.protocol:
        words.append(f"meta l4proto {rule.protocol}")
    source = "ip saddr" if addresses.version == 4 else "ip6 saddr"
    masked = "" if addresses.of_hosts else f" & {addresses.network(addresses.mask).network_address}"
    words.append(f"{source}{masked} @{addresses.name} counter")
    unreachable = "icmp" if addresses.version == 4 else "icmpv6"
    words.append(
        {
            "drop": "drop",
            "reset": "reject with tcp reset",
            "unreachable": f"reject with {unreachable} port-unreachable",
        }[rule.answer]
    )
    return " ".join(words)


def _sets_and_rules(plan: Plan) -> list[str]:
    lines = []
    for addresses in plan.created:
        kind = "ipv4_addr" if addresses.version == 4 else "ipv6_addr"
        said = f' comment "{addresses.comment}";' if addresses.comment else ""
        lines.append(f"add set inet {TABLE} {addresses.name} {{ type {kind}; flags timeout;{said} }}")
    return lines + [f"add rule inet {TABLE} {CHAIN} {render_rule(rule)}" for rule in plan.rules]


def _elements(plan: Plan, held: Mapping[AddressSet, Mapping[bytes, float]]) -> list[str]:
    lines: list[str] = []
    for addresses, elements in plan.elements.items():
        known = held.get(addresses, {})
        # What was told before is added and deleted first, for the reason that rules.set_elements gives.
        renewed = [_address(addresses, packed) for packed in elements if packed in known]
        lines += _element_lines("add", addresses, renewed)
        lines += _element_lines("delete", addresses, renewed)
        added = [
            _address(addresses, packed) + ("" if left == FOR_EVER else f" timeout {_span(left)}")
            for packed, left in elements.items()
            if left != LIFTED
        ]
        lines += _element_lines("add", addresses, added)
    return lines


def _element_lines(verb: str, addresses: AddressSet, items: Sequence[str]) -> Iterable[str]:
    for start in range(0, len(items), _LINE):
        yield f"{verb} element inet {TABLE} {addresses.name} {{ {', '.join(items[start : start + _LINE])} }}"


def _address(addresses: AddressSet, packed: bytes) -> str:
    return str(addresses.network(packed).network_address)


def _ports(ports: Ports) -> str:
    words = [str(low) if low == high else f"{low}-{high}" for low, high in ports]
    return words[0] if len(words) == 1 else f"{{ {', '.join(words)} }}"


def _span(milliseconds: int) -> str:
    """Return a time as nft reads it; seconds where they are whole, else days to milliseconds (it takes few digits each)."""
    if milliseconds % 1000 == 0 and milliseconds < 10**8:
        return f"{milliseconds // 1000}s"
    seconds, rest = divmod(milliseconds, 1000)
    words = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) + (f"{rest}ms" if rest else "")
