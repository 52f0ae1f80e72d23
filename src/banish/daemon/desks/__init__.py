"""Where commands are carried out: a desk for each kind of question, all of them one service (``daemon.service``)."""
