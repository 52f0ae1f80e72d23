"""Every filter has what a filter has to have, and the catalogue of them is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.samples.catalogue import PAGE, SAMPLES, Entry, entries, page

ENTRIES = entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_filter_has_a_jail_samples_and_evidence(entry: Entry) -> None:
    assert not entry.missing, "it lacks " + "; ".join(entry.missing)


def test_every_file_of_samples_belongs_to_a_filter() -> None:
    assert {path.stem for path in SAMPLES.glob("*.log")} <= {entry.name for entry in ENTRIES}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(ENTRIES), "run: python -m tests.samples.catalogue"


JAILS = "[DEFAULT]\nfilter = %(__name__)s[mode=normal]\n# ------------------------\n# Doors\n\n[door]\n[gate]\nfilter = door\n"
FILTER = (
    "# Door: whoever knocks\n# twice.\n#\n# more\n[Definition]\nfailregex = x <HOST>\nmode-normal = x\nmode-extra = y\n"
)
SAMPLE = '# evidence: run (tests/capture/sshd.py)\n# evidence: source\n# failJSON: {"match": true}\nx 192.0.2.1\ny 192.0.2.1\n'


def catalogue(tmp_path: Path, *, jails: str = JAILS, filter_: str = FILTER, sample: str | None = SAMPLE) -> Entry:
    (tmp_path / "filter.d").mkdir()
    (tmp_path / "jail.conf").write_text(jails)
    (tmp_path / "filter.d" / "door.conf").write_text(filter_)
    (tmp_path / "filter.d" / "doors-common.conf").write_text("")
    if sample is not None:
        (tmp_path / "door.log").write_text(sample)
    (entry,) = entries(tmp_path, tmp_path)
    return entry


def test_an_entry_is_made_of_what_the_files_say(tmp_path: Path) -> None:
    assert catalogue(tmp_path) == Entry(
        "door", "Doors", "Door", "whoever knocks twice", ["normal", "extra"], ["door", "gate"], ["run", "source"], 1, 1
    )


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"jails": "[DEFAULT]\n[other]\nfilter = other\n"}, "a jail in jail.conf"),
        ({"filter_": "[Definition]\nfailregex = x <HOST>\n"}, "a first paragraph"),
        ({"sample": None}, "samples, "),
        ({"sample": "# evidence: source\ny 192.0.2.1\n"}, "that must match"),
        ({"sample": SAMPLE.replace("y 192.0.2.1\n", "")}, "that must not match"),
        ({"sample": SAMPLE.replace("sshd.py", "dreams.py")}, "the script in tests/capture"),
        ({"sample": SAMPLE.replace("evidence", "hearsay")}, "'# evidence: "),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, files: dict[str, str], told: str) -> None:
    (missing,) = catalogue(tmp_path, **files).missing
    assert missing.startswith(told) or told in missing
