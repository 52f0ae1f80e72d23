"""The enforcer of nf_tables: bans become elements of sets in table ``inet banish``, through the kernel's own netlink interface.

It is told scopes and records and speaks transactions. Its law: the kernel goes from one state to the next whole, and nothing
that stood is open in between; ``nft delete table inet banish`` undoes all of it, and the next ``apply`` notices.
The layout of the table is in ``layout.py``, its bytes in ``rules.py``.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Sequence

from banish.addresses import Network
from banish.enforcement import rules
from banish.enforcement.layout import CHAIN, TABLE, AddressSet, Layout, Plan, Refusal
from banish.enforcement.netlink import LARGEST_BATCH, Message, Netlink, Refused, attributes
from banish.enforcement.roster import TableLost
from banish.enforcement.scopes import Record, Scope

_FIXED_RULES = 2
_OF_FIXED_RULE = 0x7FFFFFFF
"""The number of a fixed rule's set in a transaction; those of the plan count from 1."""


class NftablesFirewall:
    """Owns table ``inet banish`` in the network namespace in which it is first used.

    *largest* bounds one transaction, in bytes. Needs CAP_NET_ADMIN; nothing is opened before the first call.
    """

    def __init__(self, largest: int = LARGEST_BATCH) -> None:
        self._largest = largest
        self._netlink: Netlink | None = None
        self._layout = Layout()
        self._rules = 0
        self._generation = -1

    def replace(self, scopes: Sequence[Scope], records: Sequence[Record], now: float) -> list[Refusal]:
        """Make the kernel hold exactly *scopes* and *records*, in one transaction.

        Should the kernel not take so much at once (EMSGSIZE: more than the send buffer a process may have in a container),
        the table comes first with as many bans as fit, and the others follow in transactions of their own.
        """
        layout = Layout(scopes)
        plan = layout.plan_all(records, now)
        try:
            self._commit([rules.add_table(), rules.delete_table(), *_new_table(plan), *_contents(plan)])
        except Refused as error:
            if error.errno != errno.EMSGSIZE or len(records) < 2:
                raise
            half = len(records) // 2
            refused = self.replace(scopes, records[:half], now)
            return refused + self.apply(records[half:], now)
        layout.adopt(plan)
        self._layout = layout
        self._rules = _FIXED_RULES + len(plan.rules)
        return plan.refused

    def apply(self, records: Sequence[Record], now: float) -> list[Refusal]:
        """Carry out *records* in one transaction; in several only where the kernel does not take so much at once.

        Raises TableLost when the table or one of its sets has been removed by somebody else.
        """
        plan = self._layout.plan(records, now)
        try:
            self._commit([*_sets_and_rules(plan), *_contents(plan)])
        except Refused as error:
            if error.errno == errno.ENOENT:
                # Nothing that is deleted here can be missing (see rules.set_elements), so it is the table or a set.
                raise TableLost(str(error), errno.ENOENT) from error
            if error.errno != errno.EMSGSIZE or len(records) < 2:
                raise
            half = len(records) // 2
            return self.apply(records[:half], now) + self.apply(records[half:], now)
        self._layout.adopt(plan)
        self._rules += len(plan.rules)
        return plan.refused

    def stop(self) -> None:
        """Remove the table, with everything in it; that there is none is as good."""
        try:
            # Adding first makes the delete succeed in any case, and both are one transaction.
            self._commit([rules.add_table(), rules.delete_table()])
        finally:
            self.close()

    def close(self) -> None:
        self._layout = Layout()
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def holds(self, now: float) -> dict[tuple[str, Network], float]:
        """Ask the kernel what is blocked: by jail and network, when it ends (``math.inf``: never). Raises TableLost.

        Takes tens of microseconds for each ban, so it is for tests and for people, not for every status. For a moment after
        thousands of additions the kernel leaves some out of what it lists (of what it blocks, none): it is making its hash
        table larger meanwhile.
        """
        result: dict[tuple[str, Network], float] = {}
        for addresses in self._layout.sets:
            what = f"read set {addresses.name}"
            try:
                parts = self._socket().dump(rules.NFT_MSG_GETSETELEM, rules.elements_request(addresses), what)
            except Refused as error:
                if error.errno == errno.ENOENT:
                    raise TableLost(str(error), errno.ENOENT) from error
                raise
            for part in parts:
                result.update(_held(addresses, part, now))
        return result

    def intact(self) -> bool:
        """Tell whether the table, the sets and the number of rules are as they were left. Costs microseconds as a rule.

        Every transaction of anybody counts the kernel's generation up by one: as long as it counts only ours, nobody else
        has changed anything, and only otherwise is there something to look at.
        """
        generation = int.from_bytes(self._socket().get(rules.NFT_MSG_GETGEN, rules.NFTA_GEN_ID, "generation"), "big")
        if generation == self._generation:
            return True
        try:
            found = self._socket().dump(rules.NFT_MSG_GETSET, rules.sets_request(), "list sets")
            chain = self._socket().dump(rules.NFT_MSG_GETRULE, rules.rules_request(), "list rules")
        except Refused as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        # Old kernels do not filter by all that is asked for, so it is looked at again here.
        table, pre = TABLE.encode() + b"\0", CHAIN.encode() + b"\0"
        sets = [dict(attributes(part)) for part in found]
        names = {one.get(rules.NFTA_SET_NAME) for one in sets if one.get(rules.NFTA_SET_TABLE) == table}
        places = [dict(attributes(part)) for part in chain]
        ours = [(one.get(rules.NFTA_RULE_TABLE), one.get(rules.NFTA_RULE_CHAIN)) for one in places].count((table, pre))
        expected = {addresses.name.encode() + b"\0" for addresses in self._layout.sets}
        if ours != self._rules or not expected <= names:
            return False
        self._generation = generation
        return True

    def _socket(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink(self._largest)
        return self._netlink

    def _commit(self, messages: Sequence[Message]) -> None:
        if messages:
            self._socket().transaction(messages)
            self._generation = (self._generation + 1) & 0xFFFFFFFF


def _new_table(plan: Plan) -> list[Message]:
    fixed = [rules.accept_loopback(), *rules.accept_neighbour_discovery(_OF_FIXED_RULE)]
    return [rules.add_table(), rules.add_chain(), *fixed, *_sets_and_rules(plan)]


def _sets_and_rules(plan: Plan) -> list[Message]:
    messages = [rules.add_set(addresses, number) for number, addresses in enumerate(plan.created, 1)]
    for number, rule in enumerate(plan.rules, len(messages) + 1):
        messages += rules.add_rule(rule, number)
    return messages


def _contents(plan: Plan) -> list[Message]:
    empty = frozenset(plan.created)
    messages: list[Message] = []
    for addresses, elements in plan.elements.items():
        messages += rules.set_elements(addresses, elements, empty=addresses in empty)
    return messages


def _held(addresses: AddressSet, part: bytes, now: float) -> dict[tuple[str, Network], float]:
    """Read one answer to GETSETELEM."""
    result: dict[tuple[str, Network], float] = {}
    for kind, value in attributes(part):
        if kind != rules.NFTA_SET_ELEM_LIST_ELEMENTS:
            continue
        for _, element in attributes(value):
            found = dict(attributes(element))
            key = dict(attributes(found.get(rules.NFTA_SET_ELEM_KEY, b""))).get(rules.NFTA_DATA_VALUE, b"")
            if len(key) != addresses.bits // 8:
                continue
            left = found.get(rules.NFTA_SET_ELEM_EXPIRATION)
            ends = now + int.from_bytes(left, "big") / 1000 if left else math.inf
            result[addresses.jail, addresses.network(key)] = ends
    return result
