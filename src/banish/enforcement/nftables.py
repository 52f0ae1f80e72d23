"""The enforcer of nf_tables: bans become elements of sets in table ``inet banish``, through the kernel's own netlink interface.

It is told scopes and records and speaks transactions. Its law: the kernel goes from one state to the next whole, and nothing
that stood is open in between; ``nft delete table inet banish`` undoes all of it, and the next ``apply`` notices.
The layout of the table is in ``layout.py``, its bytes in ``rules.py``.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from banish.addresses import Network
from banish.enforcement import owner, rules
from banish.enforcement.layout import CHAIN, SLACK, TABLE, AddressSet, Layout, Plan, Refusal, lasts
from banish.enforcement.listener import Listener
from banish.enforcement.netlink import LARGEST_BATCH, Message, Netlink, Refused, attributes
from banish.enforcement.roster import Disturbance, TableLost
from banish.enforcement.scopes import Record, Scope
from banish.errors import FirewallError

_FIXED_RULES = 2
_OF_FIXED_RULE = 0x7FFFFFFF
"""The number of a fixed rule's set in a transaction; those of the plan count from 1."""

_LOUD = 65536
"""Bytes of a transaction from which on the kernel's account of it is not listened to: it comes back several times as long."""

_ASKED_FOR = 16
"""How many bans that a listing lacks are asked for by name."""


class NftablesFirewall:
    """Owns table ``inet banish`` in the network namespace in which it is first used.

    *largest* bounds one transaction, in bytes. Needs CAP_NET_ADMIN; nothing is opened before the first call.
    """

    def __init__(self, largest: int = LARGEST_BATCH) -> None:
        self._largest = largest
        self._netlink: Netlink | None = None
        self._layout = Layout()
        self._rules = 0
        self._listener: Listener | None = None
        # Accounted for since:
        self._generation = _Account()  # the table and its rules were found (or made) as they should be
        self._searched = _Account()  # every ban was
        self._seen = _Account()  # it was last asked for

    def replace(self, scopes: Sequence[Scope], records: Sequence[Record], now: float) -> list[Refusal]:
        """Make the kernel hold exactly *scopes* and *records*, in one transaction.

        Should the kernel not take so much at once (EMSGSIZE: more than the send buffer a process may have in a container),
        the table comes first with as many bans as fit, and the others follow in transactions of their own.
        """
        layout = Layout(scopes)
        plan = layout.plan_all(records, now)
        other = self._other_owner()
        if other is not None:
            raise FirewallError(
                f"another banishd (process {other}) owns table inet {TABLE}: stop it, or run this one in a network "
                "namespace of its own"
            )
        before = self._count()
        try:
            self._commit([rules.add_table(), rules.delete_table(), *_new_table(plan), *_contents(plan)])
        except Refused as error:
            if error.errno != errno.EMSGSIZE or len(records) < 2:
                raise
            half = len(records) // 2
            refused = self.replace(scopes, records[:half], now)
            return refused + self.apply(records[half:], now)
        for account in self._accounts:
            account.settle(before + 1)
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
        """Remove the table, with everything in it; that there is none, or that of another banishd that runs, is as good."""
        try:
            # Adding first makes the delete succeed in any case, and both are one transaction.
            if self._other_owner() is None:
                self._commit([rules.add_table(), rules.delete_table()])
        finally:
            self.close()

    def close(self) -> None:
        self._layout = Layout()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def listen(self) -> int | None:
        """Return what is readable when ``heard`` has something to say; None where the kernel does not let us listen."""
        if self._listener is None:
            try:
                self._listener = Listener(self._socket().port, self._harmless)
            except OSError:
                return None
            if self._count() != self._generation.count:
                self._listener.doubt()
        return self._listener.fileno()

    def heard(self) -> Disturbance | None:
        """Return what others did to the table since the last call; None for nothing. Microseconds, unless they did very much."""
        if self._listener is None or not (heard := self._listener.hear()):
            return None
        sets = {one.name: one for one in self._layout.sets}
        touched = {
            (one.jail, one.network(key)): None
            for name, key in heard.elements
            if (one := sets.get(name)) is not None and len(key) * 8 == one.bits
        }
        more = heard.structure or heard.unsure
        return Disturbance(heard.culprit, tuple(touched), more) if touched or more else None

    def holds(self, now: float) -> dict[tuple[str, Network], float]:
        """Ask the kernel what is blocked: by jail and network, when it ends (``math.inf``: never). Raises TableLost.

        Takes tens of microseconds for each ban, so it is for tests and for people, not for every status. For a moment after
        thousands of additions the kernel leaves some out of what it lists (of what it blocks, none): it is making its hash
        table larger meanwhile.
        """
        return {
            (addresses.jail, addresses.network(packed)): now + left
            for addresses in self._layout.sets
            for packed, left in self._list(addresses).items()
        }

    def intact(self) -> bool:
        """Tell whether the table, the sets and the number of rules are as they were left. Costs microseconds as a rule.

        Every transaction of anybody counts the kernel's generation up by one: as long as it counts only ours, nobody else
        has changed anything, and only otherwise is there something to look at.
        """
        generation = self._count()
        self._seen.settle(generation)
        if generation == self._generation.count:
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
        self._generation.settle(generation)
        return True

    def disturbed(self) -> bool:
        """Tell whether there was a transaction of somebody else's since all bans were last known to be there."""
        return self._seen.count != self._searched.count

    def missing(self, records: Sequence[Record], now: float) -> list[Record]:
        """Return those bans of *records* that the kernel does not hold, or for too short. Raises TableLost.

        Lists every set, some microseconds for each ban. Because of what ``holds`` says about listings, some of those that a
        listing lacks are asked for by name; are they there, the listing was at fault, and the sets stay to be looked at.
        """
        generation = self._count()
        held = {(one.jail, one.version, one.prefixlen): self._list(one) for one in self._layout.sets}
        nothing: dict[bytes, float] = {}
        missing: list[Record] = []
        unlisted: list[Record] = []
        for record in records:
            _, jail, network, expires_at = record
            left = held.get((jail, network.version, network.prefixlen), nothing).get(network.packed)
            if left is not None and left + SLACK >= expires_at - now:
                continue
            wanted = lasts(record, now)
            if wanted <= SLACK:
                continue
            if left is None:
                unlisted.append(record)
            elif left + SLACK < wanted:
                missing.append(record)
        if any(not self._has(record) for record in unlisted[:_ASKED_FOR]):
            missing += unlisted
        elif not unlisted and not missing:
            self._searched.settle(generation)
        return missing

    def _other_owner(self) -> int | None:
        """Return the number of the process that owns the table, if that is another than this and runs."""
        try:
            link = self._socket()
            userdata = link.get(
                rules.NFT_MSG_GETTABLE, rules.NFTA_TABLE_USERDATA, "read the table", rules.table_request()
            )
        except Refused as error:
            if error.errno in (errno.ENOENT, errno.EBADMSG):  # no table; one without a comment
                return None
            raise
        return owner.running(rules.table_comment(userdata))

    def _count(self) -> int:
        """Return how many transactions there have been, by the kernel's 32 bits."""
        return int.from_bytes(self._socket().get(rules.NFT_MSG_GETGEN, rules.NFTA_GEN_ID, "generation"), "big")

    def _list(self, addresses: AddressSet) -> dict[bytes, float]:
        """Return the elements of a set and the seconds each has left. Raises TableLost."""
        what = f"read set {addresses.name}"
        try:
            parts = self._socket().dump(rules.NFT_MSG_GETSETELEM, rules.elements_request(addresses), what)
        except Refused as error:
            if error.errno == errno.ENOENT:
                raise TableLost(str(error), errno.ENOENT) from error
            raise
        result: dict[bytes, float] = {}
        for part in parts:
            rules.note_held(addresses, part, result)
        return result

    def _has(self, record: Record) -> bool:
        return self.find(record.jail, record.network) is not None

    def find(self, jail: str, network: Network) -> float | None:
        """Return how many seconds the kernel's ban of *network* in *jail* has left (``math.inf``: for ever), None when it has none."""
        addresses = AddressSet(jail, network.version, network.prefixlen)
        request = rules.element_request(addresses, network.packed)
        wanted, what = rules.NFTA_SET_ELEM_LIST_ELEMENTS, f"find {network}"
        try:
            return rules.left(addresses, self._socket().get(rules.NFT_MSG_GETSETELEM, wanted, what, request))
        except Refused as error:
            if error.errno == errno.ENOENT:
                return None
            raise

    def dropped(self) -> dict[str, tuple[int, int]]:
        """Return how many packets and bytes the rules of each jail have dropped since the table was made."""
        names = {one.name: one.jail for one in self._layout.sets}
        found: dict[str, tuple[int, int]] = {}
        try:
            answers = self._socket().dump(rules.NFT_MSG_GETRULE, rules.rules_request(), "list rules")
        except Refused as error:
            if error.errno == errno.ENOENT:
                return found
            raise
        for each in filter(None, map(rules.dropped, answers)):
            name, packets, size = each
            if (jail := names.get(name)) is not None:
                before = found.get(jail, (0, 0))
                found[jail] = before[0] + packets, before[1] + size
        return found

    def _socket(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink(self._largest)
        return self._netlink

    def _commit(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        size = sum(len(message.attributes) for message in messages)
        if self._listener is None or size < _LOUD:
            self._socket().transaction(messages)
            self._own_transaction()
            return
        before = self._count()
        self._listener.pause()
        try:
            self._socket().transaction(messages)
            self._own_transaction()
            before += 1
        finally:
            self._listener.resume()
            if (self._count() - before) & 0xFFFFFFFF:
                self._listener.doubt()

    @property
    def _accounts(self) -> tuple[_Account, _Account, _Account]:
        return self._generation, self._searched, self._seen

    def _own_transaction(self) -> None:
        for account in self._accounts:
            account.add()

    def _harmless(self, generation: int) -> None:
        for account in self._accounts:
            account.add_if_new(generation)


class _Account:
    """A count of transactions that are known to have done no harm.

    The kernel counts everybody's. Ours are added here, and those of others that are known not to concern us; so this count is
    the kernel's for as long as nobody has changed anything of ours since it was settled, in whatever order we learn of them.
    """

    def __init__(self) -> None:
        self._settled = 0
        self._added = 0

    @property
    def count(self) -> int:
        """By the kernel's 32 bits."""
        return (self._settled + self._added) & 0xFFFFFFFF

    def settle(self, count: int) -> None:
        """All is well as of the kernel's *count*."""
        self._settled, self._added = count & 0xFFFFFFFF, 0

    def add(self) -> None:
        self._added += 1

    def add_if_new(self, generation: int) -> None:
        """Add the transaction that made the kernel's count *generation*, unless that was before this was settled."""
        if 0 < (generation - self._settled) & 0xFFFFFFFF < 1 << 31:
            self._added += 1


def _new_table(plan: Plan) -> list[Message]:
    fixed = [rules.accept_loopback(), *rules.accept_neighbour_discovery(_OF_FIXED_RULE)]
    return [rules.add_table(owner.mark()), rules.add_chain(), *fixed, *_sets_and_rules(plan)]


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
