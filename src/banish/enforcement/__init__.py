"""Change to firewall: dispatch, nf_tables by netlink, dry run. The only room that needs CAP_NET_ADMIN."""
