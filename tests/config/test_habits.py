"""Files of the kind that people have, from guides and years of use, written for fail2ban: they find what they expect here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import banish
from banish.config.jails import Configuration, load

DATA = Path(banish.__file__).parent / "data"

GUIDE = """\
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 192.0.2.0/24
bantime  = 1h
findtime = 10m
maxretry = 3
backend = systemd
destemail = admin@example.org
sender = fail2ban@example.org
mta = mail
action = %(action_mwl)s
banaction = ufw

[sshd]
enabled = true
port    = ssh,2222
logpath = %(sshd_log)s
backend = %(sshd_backend)s
"""
COPIED = """\
[INCLUDES]
before = paths-debian.conf

[DEFAULT]
ignorecommand =
bantime  = 10m
findtime  = 10m
maxretry = 5
maxmatches = %(maxretry)s
backend = auto
usedns = warn
logencoding = auto
enabled = false
mode = normal
filter = %(__name__)s[mode=%(mode)s]
destemail = root@localhost
sender = root@<fq-hostname>
mta = sendmail
protocol = tcp
chain = <known/chain>
port = 0:65535
fail2ban_agent = Fail2Ban/%(fail2ban_version)s
banaction = iptables-multiport
banaction_allports = iptables-allports
action_ = %(banaction)s[port="%(port)s", protocol="%(protocol)s", chain="%(chain)s"]
action_mw = %(action_)s
            %(mta)s-whois[sender="%(sender)s", dest="%(destemail)s", protocol="%(protocol)s", chain="%(chain)s"]
action = %(action_)s

[sshd]
port    = ssh
logpath = %(sshd_log)s
backend = %(sshd_backend)s
enabled = true

[nginx-http-auth]
port    = http,https
logpath = %(nginx_error_log)s
enabled = true

[nginx-limit-req]
port    = http,https
logpath = %(nginx_error_log)s

[apache-auth]
port     = http,https
logpath  = %(apache_error_log)s
enabled = true

[postfix]
mode    = more
port    = smtp,465,submission
logpath = %(postfix_log)s
backend = %(postfix_backend)s
enabled = true

[postfix-sasl]
filter   = postfix[mode=auth]
port     = smtp,465,submission,imap,imaps,pop3,pop3s
logpath  = %(postfix_log)s
backend  = %(postfix_backend)s
enabled = true

[dovecot]
port    = pop3,pop3s,imap,imaps,submission,465,sieve
logpath = %(dovecot_log)s
backend = %(dovecot_backend)s
enabled = true

[vsftpd]
port     = ftp,ftp-data,ftps,ftps-data
logpath  = %(vsftpd_log)s
enabled = true

[mysqld-auth]
port     = 3306
logpath  = %(mysql_log)s
backend  = %(mysql_backend)s
enabled = true

[recidive]
logpath  = /var/log/fail2ban.log
banaction = %(banaction_allports)s
bantime  = 1w
findtime = 1d
enabled = true
"""
SWITCHES = """\
[sshd]
enabled = true
mode = aggressive
[nginx-http-auth]
enabled = true
[nginx-botsearch]
enabled = true
[nginx-limit-req]
enabled = true
[nginx-bad-request]
enabled = true
[nginx-forbidden]
enabled = true
[apache-auth]
enabled = true
[apache-badbots]
enabled = true
[apache-noscript]
enabled = true
[apache-overflows]
enabled = true
[apache-nohome]
enabled = true
[apache-botsearch]
enabled = true
[apache-fakegooglebot]
enabled = true
[apache-modsecurity]
enabled = true
[apache-shellshock]
enabled = true
[php-url-fopen]
enabled = true
[postfix]
enabled = true
[postfix-rbl]
enabled = true
[postfix-sasl]
enabled = true
[dovecot]
enabled = true
mode = aggressive
[exim]
enabled = true
[exim-spam]
enabled = true
[sendmail-auth]
enabled = true
[sendmail-reject]
enabled = true
[courier-auth]
enabled = true
[courier-smtp]
enabled = true
[cyrus-imap]
enabled = true
[roundcube-auth]
enabled = true
[vsftpd]
enabled = true
[proftpd]
enabled = true
[pure-ftpd]
enabled = true
[mysqld-auth]
enabled = true
[named-refused]
enabled = true
[asterisk]
enabled = true
[recidive]
enabled = true
[pam-generic]
enabled = true
[dropbear]
enabled = true
[webmin-auth]
enabled = true
[proxmox]
enabled = true
[grafana]
enabled = true
[gitlab]
enabled = true
[vaultwarden]
enabled = true
[bitwarden]
enabled = true
"""
INCREMENTS = """\
[DEFAULT]
bantime = 1h
bantime.increment = true
bantime.rndtime = 10m
bantime.maxtime = 5w
bantime.factor = 2
bantime.overalljails = true
ignoreself = true
banaction = iptables-multiport
banaction_allports = iptables-allports
action = %(action_mw)s

[sshd]
filter = sshd[mode=aggressive]
enabled = true
maxretry = 3
findtime = 1d
action = %(action_)s
         sendmail-whois[name=%(__name__)s, dest=%(destemail)s, sender=%(sender)s]
"""
OLD = """\
[DEFAULT]
ignoreip = 127.0.0.1/8
bantime = 86400
findtime = 600
maxretry = 3
backend = auto

[ssh-iptables]
enabled = true
filter = sshd
action = iptables[name=SSH, port=ssh, protocol=tcp]
         sendmail-whois[name=SSH, dest=root, sender=fail2ban@example.org, sendername="Fail2Ban"]
logpath = /var/log/secure
maxretry = 5
"""
OWN = """\
[wordpress-hard]
enabled = true
filter =
failregex = ^<HOST> .* "POST /wp-login\\.php
            ^<HOST> .* "POST /xmlrpc\\.php
logpath = /srv/www/*/logs/access.log
port = http,https
maxretry = 5
findtime = 5m
bantime = 1d
action = %(banaction)s[name=%(__name__)s, port="%(port)s", protocol="%(protocol)s"]
"""
FIREWALLD = """\
[DEFAULT]
banaction = firewallcmd-rich-rules[actiontype=<multiport>]
banaction_allports = firewallcmd-rich-rules[actiontype=<allports>]

[sshd]
enabled = true
"""


def read(tmp_path: Path, text: str, name: str = "jail.local") -> Configuration:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return load(tmp_path, DATA)


@pytest.mark.parametrize(
    "text", [GUIDE, COPIED, SWITCHES, INCREMENTS, OLD, OWN, FIREWALLD],
    ids=["guide", "copied", "switches", "increments", "old", "own", "firewalld"],
)  # fmt: skip
def test_every_jail_that_is_switched_on_runs_and_nobody_complains(tmp_path: Path, text: str) -> None:
    loaded = read(tmp_path, text)
    enabled = set(re.findall(r"^\[([\w-]+)\]\n(?:(?!\[).*\n)*?enabled = true$", text, re.MULTILINE))
    assert loaded.left_out == (), "\n".join(map(str, loaded.problems))
    assert {jail.name for jail in loaded.jails} == enabled | {"sshd"}
    assert loaded.problems == (), "\n".join(map(str, loaded.problems))


def test_what_a_guide_says_is_what_counts(tmp_path: Path) -> None:
    (sshd,) = read(tmp_path, GUIDE).jails
    assert sshd.values["port"] == "ssh,2222"
    assert sshd.backend.startswith("systemd")
    assert sshd.settings.window.maxretry == 3
    assert [action.actname for action in sshd.actions] == ["ufw", "mail-whois-lines"]


@pytest.mark.parametrize("name", ["jail.local", "jail.d/customisation.local", "jail.d/defaults-debian.conf"])
def test_it_does_not_matter_which_file_it_is(tmp_path: Path, name: str) -> None:
    (sshd,) = read(tmp_path, "[sshd]\nenabled = true\nmaxretry = 7\n", name).jails
    assert sshd.settings.window.maxretry == 7


def test_a_copied_jail_conf_means_what_it_says(tmp_path: Path) -> None:
    jails = {jail.name: jail for jail in read(tmp_path, COPIED).jails}
    assert [path.pattern for path in jails["nginx-http-auth"].logpaths] == ["/var/log/nginx/*error.log"]
    assert jails["postfix-sasl"].filter_name == "postfix"
    assert {action.actname for action in jails["recidive"].actions} == {"iptables-allports"}
