"""pytest's own JUnit XML, with what it cannot say: that a run is not whole. It knows the tests that ran, so a run that
lost some, or left them out, would read as passed."""

from __future__ import annotations

from xml.etree import ElementTree

from grantproof.evidence.results import Results

NAME = "junit.xml"


def whole(text: bytes, results: Results, time: str | None = None) -> bytes:
    """The file with an error for everything that keeps the run from being whole; with `time`, also without what differs
    from run to run."""
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
    """Every duration 0, no host, the given time, and the tests sorted: xdist shuffles them."""
    for suite in root.iter("testsuite"):
        suite.set("time", "0.000")
        suite.set("timestamp", time.removesuffix("Z"))
        suite.set("hostname", "-")
        suite[:] = sorted(suite, key=lambda case: (case.get("classname", ""), case.get("name", "")))
    for case in root.iter("testcase"):
        case.set("time", "0.000")
