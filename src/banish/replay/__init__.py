"""One filter over one log, without a daemon: what ``banish match`` does, and the tests of filters too."""
