"""What services log when all is well: the benign lines of the benchmarks, in their formats and in our words.

Each list is one kind of log. The braces are filled by ``corpus`` with a user, an address, a port, a process id and numbers;
``{day}`` is a nginx access log's place for the date, which stands in the middle of the line.
"""

from __future__ import annotations

SYSLOG = (
    "CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "CRON[{pid}]: (root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)",
    "CRON[{pid}]: pam_unix(cron:session): session closed for user root",
    "systemd[1]: Starting phpsessionclean.service - Clean php session files...",
    "systemd[1]: phpsessionclean.service: Deactivated successfully.",
    "systemd[1]: Finished phpsessionclean.service - Clean php session files.",
    "systemd[1]: Started session-{number}.scope - Session {number} of User {user}.",
    "systemd[1]: session-{number}.scope: Deactivated successfully.",
    "systemd-logind[611]: New session {number} of user {user}.",
    "systemd-logind[611]: Session {number} logged out. Waiting for processes to exit.",
    "systemd-logind[611]: Removed session {number}.",
    "systemd-networkd[540]: ens3: DHCPv4 address {address}/24, gateway 192.0.2.254 acquired from 192.0.2.254",
    "dhclient[702]: DHCPREQUEST for {address} on ens4 to 192.0.2.254 port 67",
    "dhclient[702]: DHCPACK of {address} from 192.0.2.254",
    "dhclient[702]: bound to {address} -- renewal in {port} seconds.",
    "sudo:   {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/apt-get update",
    "sudo: pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid=1000)",
    "sudo: pam_unix(sudo:session): session closed for user root",
    "postfix/smtpd[{pid}]: connect from mail.example.org[{address}]",
    "postfix/smtpd[{pid}]: {number:X}: client=mail.example.org[{address}]",
    "postfix/cleanup[{pid}]: {number:X}: message-id=<20260302.{number}@mail.example.org>",
    "postfix/qmgr[833]: {number:X}: from=<{user}@example.org>, size={port}, nrcpt=1 (queue active)",
    "postfix/local[{pid}]: {number:X}: to=<{user}@example.com>, relay=local, delay=0.4, dsn=2.0.0, status=sent (delivered to mailbox)",
    "postfix/qmgr[833]: {number:X}: removed",
    "postfix/smtpd[{pid}]: disconnect from mail.example.org[{address}] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
    "dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip={address}, lip=192.0.2.1, mpid={pid}, TLS, session=<{number:x}>",
    "dovecot: imap({user})<{pid}><{number:x}>: Disconnected: Logged out in=232 out=1534 deleted=0 expunged=0 trashed=0 hdr_count=0",
    'kernel: [{number}.{pid}] audit: type=1400 apparmor="STATUS" operation="profile_replace" profile="unconfined" pid={pid}',
    "kernel: [{number}.{pid}] ens3: renamed from eth0",
    "chronyd[598]: Selected source {address} (2.debian.pool.ntp.org)",
)

LOGINS = (
    "sshd[{pid}]: Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d",
    "sshd[{pid}]: pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)",
    "sshd[{pid}]: Received disconnect from {address} port {port}:11: disconnected by user",
    "sshd[{pid}]: Disconnected from user {user} {address} port {port}",
    "sshd[{pid}]: pam_unix(sshd:session): session closed for user {user}",
)
"""What a login over ssh says from beginning to end."""
LOGIN_SHARE = 0.05
"""Of a syslog's lines: one login among a hundred lines, which is five of them."""

_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://example.com/bot.html)",
    "curl/8.11.0",
    "Prometheus/2.53.0",
)
_REQUESTS = (
    '"GET / HTTP/1.1" 200 {port} "-"',
    '"GET /articles/{number} HTTP/1.1" 200 {port} "https://www.example.org/"',
    '"GET /search?q={user}&page={pid} HTTP/2.0" 200 {port} "https://www.example.org/search"',
    '"GET /static/site.{number:x}.css HTTP/2.0" 200 {port} "https://www.example.org/articles/{number}"',
    '"GET /static/site.{number:x}.js HTTP/2.0" 304 0 "https://www.example.org/"',
    '"GET /images/{number}.webp HTTP/2.0" 200 {port} "https://www.example.org/articles/{pid}"',
    '"GET /favicon.ico HTTP/1.1" 404 153 "https://www.example.org/"',
    '"GET /robots.txt HTTP/1.1" 200 68 "-"',
    '"POST /comments HTTP/2.0" 302 0 "https://www.example.org/articles/{number}"',
    '"HEAD / HTTP/1.1" 200 0 "-"',
    '"GET /old/{number}.html HTTP/1.1" 301 162 "https://search.example.net/"',
    '"GET /feed.xml HTTP/1.1" 304 0 "-"',
    '"GET /api/v1/items?after={number} HTTP/1.1" 200 {port} "-"',
)
ACCESS = tuple(
    f'{{address}} - - [{{day}}] {request} "{agent}"'
    for number, request in enumerate(_REQUESTS)
    for agent in (_BROWSERS[number % 7], _BROWSERS[(number + 3) % 7])
)
"""nginx's ``combined`` format, which is Apache's too."""

_NGINX = "{pid}#{pid}: *{number} "
_NGINX_CLIENT = (
    ', client: {address}, server: www.example.org, request: "GET /{user}/{number} HTTP/1.1", host: "www.example.org"'
)
NGINX_ERROR = (
    f'[error] {_NGINX}open() "/var/www/html/{{user}}/{{number}}" failed (2: No such file or directory){_NGINX_CLIENT}',
    f'[error] {_NGINX}open() "/var/www/html/favicon.ico" failed (2: No such file or directory){_NGINX_CLIENT}',
    f"[error] {_NGINX}upstream timed out (110: Connection timed out) while reading response header from upstream{_NGINX_CLIENT}",
    f"[error] {_NGINX}connect() failed (111: Connection refused) while connecting to upstream{_NGINX_CLIENT}",
    f'[error] {_NGINX}FastCGI sent in stderr: "PHP message: PHP Notice:  Undefined index: page in a.php on line 12"{_NGINX_CLIENT}',
    f"[warn] {_NGINX}a client request body is buffered to a temporary file /var/lib/nginx/body/{{number:010}}{_NGINX_CLIENT}",
    f"[warn] {_NGINX}an upstream response is buffered to a temporary file /var/lib/nginx/proxy/{{number:010}}{_NGINX_CLIENT}",
    f"[info] {_NGINX}client {{address}} closed keepalive connection",
    "[notice] {pid}#{pid}: signal process started",
    "[notice] {pid}#{pid}: worker process {pid} exited with code 0",
)

_APACHE = "[pid {pid}:tid 1398{number:010}] "
APACHE_ERROR = (
    f"[core:info] {_APACHE}[client {{address}}:{{port}}] AH00128: File does not exist: /var/www/html/{{user}}/{{number}}",
    f"[core:info] {_APACHE}[client {{address}}:{{port}}] AH00128: File does not exist: /var/www/html/favicon.ico",
    f"[proxy:error] {_APACHE}(111)Connection refused: AH00957: http: attempt to connect to 192.0.2.8:8080 (192.0.2.8) failed",
    f"[proxy_http:error] {_APACHE}(70007)The timeout specified has expired: [client {{address}}:{{port}}] AH01102: error reading status",
    f"[php:notice] {_APACHE}[client {{address}}:{{port}}] PHP Notice:  Undefined index: page in /var/www/html/index.php on line 12",
    f"[php:warn] {_APACHE}[client {{address}}:{{port}}] PHP Warning:  Undefined variable $user in /var/www/html/login.php on line 8",
    f"[mpm_event:notice] {_APACHE}AH00489: Apache/2.4.62 (Debian) configured -- resuming normal operations",
    f"[core:notice] {_APACHE}AH00094: Command line: '/usr/sbin/apache2'",
    f"[ssl:info] {_APACHE}[client {{address}}:{{port}}] AH01964: Connection to child 6 established (server www.example.org:443)",
    f"[reqtimeout:info] {_APACHE}[client {{address}}:{{port}}] AH01382: Request header read timeout",
)
"""Apache's default format of 2.4, after the date."""
