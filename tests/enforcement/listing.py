"""What ``nft -j list table`` says, without what differs between two tables that are the same."""

from __future__ import annotations

import json
from typing import Any

_PASSING = {"handle", "expires", "packets", "bytes"}


def plain(listing: str) -> list[dict[str, Any]]:
    """Return the objects of *listing* in their order: no handles and counts, elements sorted."""
    found = [_strip(entry) for entry in json.loads(listing)["nftables"] if "metainfo" not in entry]
    for entry in found:
        entry.get("table", {}).pop("comment", None)  # names the process
    return found


def elements(listing: str, name: str) -> dict[str, int | None]:
    """Return the elements of set *name* with their timeouts in seconds; None for those that stay."""
    for entry in json.loads(listing)["nftables"]:
        if entry.get("set", {}).get("name") == name:
            found = entry["set"].get("elem", [])
            return {
                one if isinstance(one, str) else one["elem"]["val"]: None
                if isinstance(one, str)
                else one["elem"]["timeout"]
                for one in found
            }
    raise AssertionError(f"no set {name} in {listing}")


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _elements(one) if key == "elem" else _strip(one) for key, one in value.items() if key not in _PASSING
        }
    if isinstance(value, list):
        return [_strip(one) for one in value]
    return value


def _elements(found: Any) -> Any:
    stripped = _strip(found)
    return sorted(stripped, key=json.dumps) if isinstance(stripped, list) else stripped
