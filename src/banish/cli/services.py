"""What runs on servers, and which jails protect it: THE TABLE that ``banish setup`` goes by.

A new jail for a service adds a word to its row, or a row. A row is found by a program that listens (``programs``), by ports that
systemd holds for it until somebody connects (``held``), or, with ``by_log``, by a log of its own, when a web server does the
listening. Only jails that ship count; a row that has none is as if it were not here.

Of a row's jails those that hardly ever hit somebody with a right to be there are switched on (``jails``); the others are
mentioned (``more``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from banish.lookups.listeners import Listener, Program

SYSTEMD = "systemd"


@dataclass(frozen=True, slots=True)
class Service:
    """A row."""

    name: str
    """As people call it."""
    jails: str
    """To be switched on; separated by spaces, as the fields below."""
    programs: str = ""
    """Patterns: of a name, of the end of a path where they have a ``/``, of a command line where they begin with ``*``."""
    more: str = ""
    """Other jails for it."""
    held: str = ""
    """``PORT/PROGRAM``: the port may be held by systemd, the program (a path) is then started for each connection."""
    proxied: bool = False
    """It is usually reached by way of a web server: that it listens to this machine only does not mean that nobody can come."""
    by_log: bool = False
    """A log of its jail is enough to find it."""


def _web(name: str, jails: str, programs: str = "", more: str = "") -> Service:
    return Service(name, jails, programs, more, proxied=True, by_log=True)


SERVICES = (
    # Remote login
    Service("OpenSSH", "sshd", "sshd", "selinux-ssh", held="22/usr/sbin/sshd"),
    Service("Dropbear", "dropbear", "dropbear"),
    Service("xrdp", "xrdp", "xrdp"),
    Service("VNC", "vnc", "Xvnc Xtigervnc x11vnc vncserver-x11 Xtightvnc"),
    Service("macOS screen sharing", "screensharingd", "screensharingd"),
    _web("Guacamole", "guacamole", "guacd"),
    Service("Teleport", "teleport", "teleport"),
    # Mail
    Service("Postfix", "postfix postfix-sasl", "postfix/sbin/master postfix/master", "postfix-rbl"),
    Service("Exim", "exim", "exim exim4", "exim-spam"),
    Service("Sendmail", "sendmail-auth sendmail-reject", "sendmail sendmail-mta sendmail.sendmail"),
    Service("Dovecot", "dovecot", "dovecot"),
    Service("Courier", "courier-auth courier-smtp", "couriertcpd courieresmtpd"),
    Service("Cyrus IMAP", "cyrus-imap", "cyrmaster cyrus-imapd/master cyrus/bin/master"),
    Service("OpenSMTPD", "opensmtpd", "smtpd"),
    Service("Zimbra", "zimbra", "*/opt/zimbra/*", more="zimbra-admin"),
    _web("Roundcube", "roundcube-auth"),
    _web("SOGo", "sogo-auth", "sogod"),
    _web("Mailu", "mailu"),
    Service("qmail", "qmail-rbl", "tcpserver"),
    Service("Exchange", "exchange", by_log=True),
    Service("Kerio Connect", "kerio", "mailserver"),
    Service("Perdition", "perdition", "perdition*"),
    Service("UW IMAP", "uwimap-auth", "imapd ipop3d"),
    Service("Solid POP3", "solid-pop3d", "spop3d solid-pop3d"),
    Service("ManageSieve", "sieve", "timsieved"),
    Service("Domino", "domino-smtp", "server domino", by_log=True),
    Service("Oracle Messaging Server", "oracleims", "tcp_smtp_server", by_log=True),
    Service("ASSP", "assp", "*assp.pl*"),
    Service("amavis", "amavis", "amavisd-new amavi amavisd", proxied=True),
    Service("MailScanner", "mailscanner", "MailScanner", by_log=True),
    _web("SquirrelMail", "squirrelmail"),
    _web("Horde", "horde"),
    _web("OpenWebMail", "openwebmail"),
    _web("Group Office", "groupoffice"),
    _web("Tine 2.0", "tine20"),
    _web("Sympa", "sympa"),
    _web("mailcow", "mailcow-f2b"),
    # File transfer
    Service("vsftpd", "vsftpd", "vsftpd"),
    Service("ProFTPD", "proftpd", "proftpd"),
    Service("Pure-FTPd", "pure-ftpd", "pure-ftpd*"),
    Service("SFTPGo", "sftpgo", "sftpgo"),
    Service("Samba", "samba", "smbd"),
    Service("WU-FTPD", "wuftpd", "wu-ftpd in.ftpd"),
    Service("gssftp", "gssftpd", "gssftpd"),
    Service("Synology DSM", "synology-dsm", "synoscgi"),
    # Web servers and proxies
    Service(
        "nginx",
        "nginx-http-auth nginx-botsearch",
        "nginx openresty angie",
        "nginx-limit-req nginx-bad-request nginx-forbidden php-url-fopen",
        proxied=True,
    ),
    Service(
        "Apache",
        "apache-auth apache-botsearch apache-overflows apache-shellshock",
        "apache2 httpd",
        "apache-badbots apache-noscript apache-nohome apache-modsecurity apache-fakegooglebot php-url-fopen",
        proxied=True,
    ),
    Service("lighttpd", "lighttpd-auth", "lighttpd", proxied=True),
    Service("Caddy", "caddy", "caddy", proxied=True),
    Service("HAProxy", "haproxy-http-auth", "haproxy", proxied=True),
    Service("Traefik", "traefik-auth", "traefik", proxied=True),
    Service("Squid", "squid", "squid"),
    Service("3proxy", "3proxy", "3proxy"),
    Service("Dante", "dante", "danted sockd"),
    Service("LiteSpeed", "litespeed", "litespeed lshttpd openlitespeed", proxied=True),
    _web("Nginx Proxy Manager Plus", "npmplus"),
    _web("BunkerWeb", "bunkerweb"),
    _web("Zoraxy", "zoraxy", "zoraxy"),
    _web("Coraza", "coraza"),
    _web("open-appsec", "openappsec", "cp-nano-agent"),
    # Databases and directories
    Service("MySQL or MariaDB", "mysqld-auth", "mysqld mariadbd"),
    Service("PostgreSQL", "postgresql", "postgres postmaster"),
    Service("MongoDB", "mongodb-auth", "mongod"),
    Service("SQL Server", "mssql-auth", "sqlservr"),
    Service("OpenLDAP", "slapd", "slapd"),
    Service("CouchDB", "couchdb", "*couchdb*"),
    _web("Supavisor", "supavisor", "*supavisor*"),
    _web("OpenSearch Dashboards", "opensearch-dashboards", "*opensearch-dashboards*"),
    # Names, telephony, chat, virtual private networks
    Service("BIND", "named-refused", "named"),
    Service("NSD", "nsd", "nsd"),
    Service("Asterisk", "asterisk", "asterisk"),
    Service("FreeSWITCH", "freeswitch", "freeswitch"),
    Service("OpenVPN", "openvpn", "openvpn"),
    Service("WireGuard", "wireguard", by_log=True),
    Service("strongSwan", "strongswan", "charon charon-systemd"),
    Service("SoftEther VPN", "softethervpn", "vpnserver"),
    Service("stunnel", "stunnel", "stunnel stunnel4"),
    Service("Mumble", "murmur", "murmurd mumble-server"),
    Service("ejabberd", "ejabberd-auth", "*ejabberd*"),
    Service("ZNC", "znc-adminlog", "znc"),
    Service("Counter-Strike", "counter-strike", "hlds_linux srcds_linux"),
    # The machine and its administration
    Service("Webmin", "webmin-auth", "*miniserv.pl*"),
    Service("Proxmox VE", "proxmox", "pveproxy* pvedaemon*", "proxmox-iptables"),
    Service("Proxmox Backup Server", "proxmox-backup", "proxmox-backup-* proxmox-backup-"),
    Service("cPanel", "cpanel", "cpsrvd* cpaneld*"),
    Service("DirectAdmin", "directadmin", "directadmin"),
    Service("HestiaCP", "hestiacp", "hestia-nginx"),
    Service("Froxlor", "froxlor-auth", by_log=True),
    Service("CSF lfd", "lfd", by_log=True),
    Service("Centreon", "centreon", "centengine", by_log=True),
    Service("Monitorix", "monitorix", "monitorix-httpd *monitorix*"),
    Service("Nagios NRPE", "nagios", "nrpe"),
    Service("ZoneMinder", "zoneminder", "zmc zmdc.pl", by_log=True),
    Service("openHAB", "openhab-auth", "*openhab*", proxied=True),
    Service("Kasm", "kasm", by_log=True),
    Service("MeshCentral", "meshcentral", "*meshcentral*", proxied=True),
    Service("UniFi", "unifi", "*unifi*", proxied=True),
    Service("Dockge", "dockge", "*dockge*", proxied=True),
    Service("scanlogd", "scanlogd", by_log=True),
    Service("MikroTik RouterOS", "routeros-auth mikrotik", by_log=True),
    Service("OPNsense", "opnsense", by_log=True),
    Service("pfSense", "pfsense", by_log=True),
    Service("Suhosin", "suhosin", by_log=True),
    Service("xinetd", "xinetd-fail", "xinetd"),
    Service("Cockpit", "pam-generic", "cockpit-ws cockpit-tls"),
    Service("Monit", "monit", "monit"),
    Service("PortSentry", "portsentry", "portsentry"),
    Service("Cowrie", "cowrie", "*cowrie*"),
    Service("endlessh", "endlessh", "endlessh endlessh-go"),
    # Web applications and what people host themselves
    _web("phpMyAdmin", "phpmyadmin-syslog"),
    _web("Drupal", "drupal-auth"),
    _web("WordPress", "wordpress wordpress-hard", more="wordpress-soft"),
    _web("ownCloud", "owncloud"),
    _web("Tomcat", "tomcat", "*org.apache.catalina*"),
    _web("Nextcloud", "nextcloud"),
    _web("BookStack", "bookstack"),
    _web("Baikal", "baikal"),
    _web("Firefly III", "fireflyiii"),
    _web("Grafana", "grafana", "grafana grafana-server"),
    _web("GitLab", "gitlab", "gitlab-workhorse"),
    _web("Gitea or Forgejo", "gitea", "gitea forgejo"),
    _web("Vaultwarden", "vaultwarden", "vaultwarden"),
    _web("Bitwarden", "bitwarden"),
    _web("Jellyfin", "jellyfin", "jellyfin"),
    _web("Home Assistant", "home-assistant", "hass *homeassistant*"),
    _web("Authelia", "authelia", "authelia"),
    _web("authentik", "authentik", "*authentik*"),
    _web("Keycloak", "keycloak", "*org.keycloak* *keycloak*quarkus*"),
    _web("Odoo", "odoo", "odoo *odoo-bin*"),
    _web("Redmine", "redmine"),
    _web("Paperless-ngx", "paperless-ngx", "*paperless*"),
    _web("Immich", "immich", "immich immich-api"),
    _web("Jellyseerr", "jellyseerr", "*jellyseerr*"),
    _web("Navidrome", "navidrome", "navidrome"),
    _web("Audiobookshelf", "audiobookshelf", "audiobookshelf"),
    _web("Calibre-Web", "calibre-web", "*calibre-web* *cps.py*"),
    _web("File Browser", "filebrowser", "filebrowser"),
    _web("Gotify", "gotify", "gotify*"),
    _web("Harbor", "harbor", "harbor_core"),
    _web("Mealie", "mealie", "mealie"),
    _web("Miniflux", "miniflux", "miniflux"),
    _web("ntfy", "ntfy", "ntfy"),
    _web("Deluge", "deluge", "deluge-web deluged"),
    _web("qBittorrent", "qbittorrent", "qbittorrent*"),
    _web("Sonarr", "sonarr", "sonarr Sonarr"),
    _web("Radarr", "radarr", "radarr Radarr"),
    _web("Prowlarr", "prowlarr", "prowlarr Prowlarr"),
    _web("Lidarr", "lidarr", "lidarr Lidarr"),
    _web("SABnzbd", "sabnzbd", "sabnzbdplus *SABnzbd.py*"),
    _web("Stirling PDF", "stirling-pdf", "*Stirling-PDF*"),
    _web("Technitium DNS", "technitium", "*DnsServerApp*"),
    _web("AdGuard Home", "adguardhome", "AdGuardHome"),
    _web("Uptime Kuma", "uptime-kuma", "*uptime-kuma*"),
    _web("Pterodactyl Wings", "pterodactyl", "wings"),
    _web("Apereo CAS", "apereo-cas", "*apereo*cas*"),
    _web("LemonLDAP::NG", "lemonldap-ng", "llng-fastcgi-server"),
    _web("Baserow", "baserow", "*baserow*"),
    _web("Bazarr", "bazarr", "*bazarr*"),
    _web("Readarr", "readarr", "readarr Readarr"),
    _web("Overseerr", "overseerr", "*overseerr*"),
    _web("Ombi", "ombi", "ombi Ombi"),
    _web("Emby", "emby", "EmbyServer"),
    _web("Plex", "plex", "Plex*"),
    _web("Joplin Server", "joplin-server", "*joplin*"),
    _web("LiteLLM", "litellm", "*litellm*"),
    _web("TheHive", "thehive", "*thehive*"),
)


class Found(NamedTuple):
    """A service that was found."""

    service: Service
    program: Program | None
    """None when its log gave it away."""
    listeners: tuple[Listener, ...]


@dataclass(slots=True)
class Machine:
    """What was seen: who listens, and what else runs."""

    listeners: list[Listener]
    programs: Mapping[int, Program]
    """By process id: those that listen."""
    contained: list[Program] = field(default_factory=list)
    """Those that run in containers."""
    files: frozenset[str] = frozenset()
    """Paths of programs that systemd may start, those that exist."""


def held_programs() -> frozenset[str]:
    """Return the paths that ``Machine.files`` is to be chosen from."""
    return frozenset("/" + row.held.partition("/")[2] for row in SERVICES if row.held)


def running(machine: Machine) -> tuple[list[Found], list[Found]]:
    """Return the rows that listen on *machine*, in the order of the table, and what listens without a row."""
    by_pid: dict[int, list[Listener]] = {}
    for listener in machine.listeners:
        by_pid.setdefault(listener.pid, []).append(listener)
    found: dict[str, Found] = {}
    strangers: list[Found] = []
    for pid, own in by_pid.items():
        program = machine.programs.get(pid)
        if program is None:
            continue
        if program.name == SYSTEMD:
            found |= {row.name: Found(row, program, ports) for row, ports in _held(own, machine.files)}
        elif (row := service(program)) is not None:
            before = found[row.name].listeners if row.name in found else ()
            found[row.name] = Found(row, program, (*before, *own))
        else:
            strangers.append(Found(Service(program.name, ""), program, tuple(own)))
    order = {row.name: number for number, row in enumerate(SERVICES)}
    return sorted(found.values(), key=lambda each: order[each.service.name]), strangers


def service(program: Program) -> Service | None:
    """Return the row that *program* belongs to, None when there is none."""
    return next((row for row in SERVICES if any(_is(program, pattern) for pattern in row.programs.split())), None)


def _is(program: Program, pattern: str) -> bool:
    if pattern.startswith("*"):
        return fnmatchcase(program.command, pattern)
    if "/" in pattern:
        return program.path.endswith("/" + pattern)
    # The kernel cuts a name at 15 characters, the path has all of it; without the path the name must do.
    names = (program.path.rpartition("/")[2], program.name)
    return any(fnmatchcase(name, pattern) for name in names if name) or program.name == pattern[:15]


def _held(listeners: Iterable[Listener], files: frozenset[str]) -> Iterator[tuple[Service, tuple[Listener, ...]]]:
    own = tuple(listeners)
    for row in SERVICES:
        port, _, path = row.held.partition("/")
        ports = tuple(each for each in own if str(each.port) == port)
        if row.held and ports and "/" + path in files:
            yield row, ports
