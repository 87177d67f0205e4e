"""Adds to pytest's JUnit XML that a run is incomplete. It contains only tests that ran, so that a run which lost or
skipped some would otherwise read as passed."""

from __future__ import annotations

from xml.etree import ElementTree

from grantproof.evidence.results import Results

NAME = "junit.xml"


def with_gaps(text: bytes, results: Results, time: str | None = None) -> bytes:
    """The XML with an error for every reason why the run is incomplete.

    Args:
        text: the XML that pytest wrote.
        time: a time to use in place of the actual one. All other data that differs between runs is removed too.
    """
    if not results.gaps and time is None:
        return text
    root = ElementTree.fromstring(text)  # noqa: S314 - pytest wrote it a moment ago
    if time is not None:
        _steady(root, time)
    for suite in root.iter("testsuite"):
        for number, gap in enumerate(results.gaps, 1):
            case = ElementTree.SubElement(suite, "testcase", classname="run", name=f"whole[{number}]", time="0.000")
            ElementTree.SubElement(case, "error", message=gap).text = gap
        for count in ("tests", "errors"):
            suite.set(count, str(int(suite.get(count, "0")) + len(results.gaps)))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _steady(root: ElementTree.Element, time: str) -> None:
    """Make the XML reproducible: durations 0, no host name, the given time, and tests sorted, which xdist shuffles."""
    for suite in root.iter("testsuite"):
        suite.set("time", "0.000")
        suite.set("timestamp", time.removesuffix("Z"))
        suite.set("hostname", "-")
        suite[:] = sorted(suite, key=lambda case: (case.get("classname", ""), case.get("name", "")))
    for case in root.iter("testcase"):
        case.set("time", "0.000")
