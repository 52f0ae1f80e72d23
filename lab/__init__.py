"""A laboratory: throw-away network namespaces with real services and clients, for the demo, the tests and the benchmarks.

``namespaces`` makes the machines and takes them away again, ``sshd`` runs the real OpenSSH server in one of them, ``syslog`` is
its log daemon, ``web`` runs web servers and asks them, ``clients`` knocks from the others, ``connect`` is the small program that
does so over a bare TCP connection. Nothing in here is part of the package that is installed.

A script that wants to live in the laboratory calls ``lab.enter()`` first and then works with ``lab.Lab.inside()``; a test that
stays outside opens ``with lab.Lab.hold() as laboratory``. Everything after that is the same for both.
"""

from lab.namespaces import Host, Lab, LabError, can_run, enter

__all__ = ["Host", "Lab", "LabError", "can_run", "enter"]
