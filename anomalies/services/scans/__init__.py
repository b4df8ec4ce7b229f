"""From what a scan finds in a table to anomalies of types record and shape. docs/scan-findings.md tells how to use it."""

from anomalies.services.scans.recording import Recording, record_findings
from anomalies.services.scans.values import BadRow, Check, Column, Options, RowFailures, Scan, ShapeFailure, Suggestion

__all__ = [
    "BadRow",
    "Check",
    "Column",
    "Options",
    "Recording",
    "RowFailures",
    "Scan",
    "ShapeFailure",
    "Suggestion",
    "record_findings",
]
