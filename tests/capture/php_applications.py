"""Run the real phpMyAdmin and Roundcube, try passwords at their login forms, and print what they log.

    python3 -m tests.capture.php_applications [--only NAME ...] [--list]

``tests/samples/phpmyadmin-syslog.log`` and ``tests/samples/roundcube-auth.log`` were made from it. Both run in PHP's own web
server, with configurations that only the laboratory sees. No database server is there, which phpMyAdmin takes for a wrong password;
Roundcube asks a mail server that refuses everybody. Needs root, php-cli, phpmyadmin, roundcube-core, roundcube-sqlite3,
php-mysql, curl.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import ATTACKER, ATTACKER6, INNOCENT, SERVER, SERVER6, Scenario, Site, main

PHPMYADMIN = """<?php
$cfg['blowfish_secret'] = '0123456789abcdef0123456789abcdef';
$cfg['Servers'][1] = ['auth_type' => 'cookie', 'host' => '127.0.0.1', 'AllowNoPassword' => false];
$cfg['AuthLog'] = 'syslog';
$cfg['TempDir'] = '{here}';
"""

ROUNDCUBE = """<?php
$config['db_dsnw'] = 'sqlite:///{here}/roundcube.db?mode=0646';
$config['imap_host'] = 'localhost:143';
$config['des_key'] = '0123456789abcdef01234567';
$config['log_dir'] = '{here}';
$config['temp_dir'] = '{here}';
$config['log_logins'] = true;
$config['log_session_id'] = 8;
$config['plugins'] = [];
$config['enable_installer'] = false;
"""

REFUSAL = """
import socketserver
class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"* OK ready\\r\\n")
        for line in self.rfile:
            tag, _, rest = line.decode().partition(" ")
            if rest.upper().startswith("CAPABILITY"):
                self.wfile.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\\r\\n" + tag.encode() + b" OK done\\r\\n")
            elif rest.upper().startswith("LOGOUT"):
                self.wfile.write(b"* BYE\\r\\n" + tag.encode() + b" OK done\\r\\n")
                return
            else:
                self.wfile.write(tag.encode() + b" NO [AUTHENTICATIONFAILED] Authentication failed.\\r\\n")
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", 143), Mail).serve_forever()
"""

START = """
mkdir -p {here}/sessions
if [ -e {here}/config.inc.php ]; then
    chmod 644 {here}/config.inc.php  # it refuses to be told by a file that anybody may write
    mount --bind {here}/config.inc.php /etc/phpmyadmin/config.inc.php
    root=/usr/share/phpmyadmin
else
    mount --bind {here}/roundcube.inc.php /etc/roundcube/config.inc.php
    sqlite3 {here}/roundcube.db < /usr/share/roundcube/SQL/sqlite.initial.sql ||
        php -r '$db = new PDO("sqlite:{here}/roundcube.db"); $db->exec(file_get_contents("/usr/share/roundcube/SQL/sqlite.initial.sql"));'
    root=/usr/share/roundcube
fi
exec php -d session.save_path={here}/sessions -d error_log={here}/php.log -S '[::]:80' -t $root
"""

CLIENT = r"""
set -e
jar=$(mktemp)
ask() { curl -q -s -g --max-time 20 --interface "$SOURCE" -b $jar -c $jar "$@"; }
field() { grep -o "name=\"$1\" value=\"[^\"]*\"" $jar.html | head -1 | sed 's/.*value="//; s/"$//'; }
ask -o $jar.html "$URL"
if grep -q pma_username $jar.html; then
    ask -o /dev/null --data-urlencode "pma_username=$NAME" -d "pma_password=guess&server=1" \
        --data-urlencode "set_session=$(field set_session)" --data-urlencode "token=$(field token)" "${URL}index.php?route=/"
else
    ask -o /dev/null --data-urlencode "_user=$NAME" -d "_pass=guess&_task=login&_action=login&_timezone=UTC&_url=" \
        --data-urlencode "_token=$(field _token)" "${URL}?_task=login"
fi
rm -f $jar $jar.html
"""


def serve(host: Host, name: str) -> WebServer:
    """The application, the daemon for its log, and a mail server."""
    syslog = [
        *(sys.executable, str(Path(__file__).parents[2] / "lab" / "syslog.py")),
        *("--file", "{here}/syslog", "--hostname", "host"),
    ]
    mail = [sys.executable, "{here}/mail.py"]
    config = {"config.inc.php": PHPMYADMIN} if name.startswith("phpmyadmin") else {"roundcube.inc.php": ROUNDCUBE}
    files = {**config, "start": START, "mail.py": REFUSAL}
    return WebServer(host, name, ["sh", "{here}/start"], files, before=[syslog, mail])


def login(site: Site, name: str, source: str = ATTACKER) -> None:
    """Fill in the login form."""
    url = f"http://[{SERVER6}]/" if ":" in source else f"http://{SERVER}/"
    site.client.run(["sh", "-c", CLIENT], environment={"SOURCE": source, "URL": url, "NAME": name}, timeout=60)


def guesses(site: Site) -> None:
    login(site, "alice")
    login(site, "alice", ATTACKER6)
    for name in (
        f"x from {INNOCENT}",
        f"x (mysql-denied) from {INNOCENT}",
        f"x from {INNOCENT}. AUTHENTICATE PLAIN: y",
        "two words",
        "wörld",
        "a\nb",
    ):
        login(site, name)


SCENARIOS: dict[str, Scenario] = {"phpmyadmin": guesses, "roundcube": guesses}


if __name__ == "__main__":
    sys.exit(
        main(
            "phpMyAdmin or Roundcube",
            serve,
            SCENARIOS,
            ("syslog", "errors.log", "userlogins.log", "errors", "userlogins"),
        )
    )
