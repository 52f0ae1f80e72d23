"""Does the firewall block what jails ban: at all, at the ports where the service is, and before the packets reach a container?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from banish.config.jails import JailConfig
from banish.doctor import canary, services
from banish.doctor.canary import CanaryError, Trial
from banish.doctor.finding import Finding, Skipped
from banish.doctor.services import Published
from banish.enforcement.actions import ActionSettings, scope_of
from banish.enforcement.ports import parse_ports
from banish.enforcement.scopes import Ports, Scope
from banish.errors import ConfigError

_BLOCKING = frozenset({"nftables"})
"""Enforcers that block."""
_TELLING = (
    "mail",
    "sendmail",
    "dummy",
    "abuseipdb",
    "blocklist_de",
    "complain",
    "xarf",
    "dshield",
    "webhook",
    "apprise",
)
"""Actions, by how their names begin, that tell somebody and block nobody."""
_TCP = "tcp"


def examine(jails: Sequence[JailConfig], *, proc: str = "/proc") -> Iterator[Finding | Skipped]:
    """Yield what is wrong with the actions of *jails*."""
    published = services.published(proc)
    trials: list[Trial] = []
    for config in jails:
        found = list(_jail(config, published, proc, trials))
        yield from found
    yield from _canary(trials)


def _jail(config: JailConfig, published: Sequence[Published], proc: str, trials: list[Trial]) -> Iterator[Finding]:
    if not any(map(_blocks, config.actions)):
        names = ", ".join(action.actname for action in config.actions)
        text = f"its actions block nobody ({names})" if names else "it has no action: what it bans is not blocked"
        remedy = "set banaction = nftables (or action = %(action_)s) in jail.local"
        yield Finding("no-firewall", "error", text, remedy, config.name)
        return
    scopes = tuple(_scopes(config))
    listened = services.ports_of(services.programs_of(config.filter_name), proc)
    if scopes:
        uncovered = sorted(port for port in listened if not any(_closes(scope, port) for scope in scopes))
        if uncovered and _reaches_tcp(scopes):
            ports = ", ".join(map(str, uncovered))
            text = f"its service listens on port {ports} too, which a ban does not close"
            yield Finding(
                "wrong-port", "error", text, f"set port = {_named(config, uncovered)} in jail.local", config.name
            )
        covered = [port for port in sorted(listened) if port not in uncovered]
        port = covered[0] if covered else (min(listened) if listened else _first(scopes))
        if not uncovered or covered or not _reaches_tcp(scopes):
            trials.append(Trial(config.name, scopes, port))
    yield from _containers(config, scopes, published)


def _containers(config: JailConfig, scopes: Sequence[Scope], published: Iterable[Published]) -> Iterator[Finding]:
    for port in sorted(set(published)):
        if any(_closes(scope, port.container_port) for scope in scopes) and not any(
            _closes(scope, port.host_port) for scope in scopes
        ):
            text = (
                f"a container publishes its port {port.container_port} as {port.host_port}, and a ban closes only the former; "
                "packets are judged by the port they were sent to"
            )
            remedy = f"set port = {_named(config, [port.host_port])} in jail.local"
            yield Finding("container-port", "error", text, remedy, config.name)
        for action in config.actions:
            if _misses_containers(action, port):
                text = (
                    f"the action {action.actname} works in chain {action.options.get('chain', 'INPUT')}, which packets to the published "
                    f"port {port.host_port} of a container never pass"
                )
                remedy = "use banaction = nftables, which stands before it, or chain = DOCKER-USER"
                yield Finding("container-chain", "error", text, remedy, config.name)


def _misses_containers(action: ActionSettings, published: Published) -> bool:
    if action.enforcer or action.reporter or not action.name.startswith("iptables"):
        return False
    if "INPUT" not in action.options.get("chain", "INPUT") or "DOCKER-USER" in action.options.get("chain", ""):
        return False
    try:
        ports = parse_ports(action.options.get("port", "0:65535"))
    except ValueError:
        return False
    return any(_within(ports, port) for port in published)


def _canary(trials: Sequence[Trial]) -> Iterator[Finding | Skipped]:
    if not trials:
        return
    try:
        came_in = canary.fly(trials)
    except CanaryError as error:
        text = str(error)
        if text.startswith("the firewall refused"):
            remedy = "does this kernel have nf_tables? modprobe nf_tables; banishd needs CAP_NET_ADMIN"
            yield Finding("not-blocking", "error", f"the canary could not be protected: {text}", remedy)
        else:
            yield Skipped("not-blocking", text)
        return
    ports = {trial.jail: trial.port for trial in trials}
    for jail, families in came_in.items():
        text = (
            f"a canary that it had banned came in all the same, over {' and '.join(families)}, at TCP port {ports[jail]} (tried in a "
            "network namespace, with the rules of this jail)"
        )
        remedy = "look at port, protocol and type of its action: banish config " + jail
        yield Finding("not-blocking", "error", text, remedy, jail)


def _blocks(action: ActionSettings) -> bool:
    if action.enforcer:
        return action.enforcer in _BLOCKING
    return not action.reporter and not action.name.startswith(_TELLING)


def _scopes(config: JailConfig) -> Iterator[Scope]:
    for action in config.actions:
        if action.enforcer in _BLOCKING:
            try:
                yield scope_of(config.name, action)
            except ConfigError:
                continue  # it is a problem of the configuration, and told as that


def _closes(scope: Scope, port: int) -> bool:
    return (not scope.protocols or _TCP in scope.protocols) and _within(scope.ports, port)


def _within(ports: Ports, port: int) -> bool:
    return not ports or any(low <= port <= high for low, high in ports)


def _reaches_tcp(scopes: Iterable[Scope]) -> bool:
    return any(not scope.protocols or _TCP in scope.protocols for scope in scopes)


def _first(scopes: Iterable[Scope]) -> int:
    """Return a port that is closed; 9 (discard) where all are."""
    return next((scope.ports[0][0] for scope in scopes if scope.ports and scope.ports[0][0]), 9)


def _named(config: JailConfig, more: Sequence[int]) -> str:
    port = config.values.get("port", "")
    return ",".join(filter(None, (port, *map(str, more))))
