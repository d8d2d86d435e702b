"""What is wrong with a task that can still be read: shortcuts to the answer, leaks between its sets."""

from harness.quality.findings import Finding, Severity, check, counted, serious_at_once

__all__ = ["Finding", "Severity", "check", "counted", "serious_at_once"]
