"""Sources and builder of the task `legal-qa`."""
