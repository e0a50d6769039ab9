"""The audit of a signal: the constants in its program, look-ahead, and how long it remembers its start.

`audit` scores a signal again in every way that must not change its scores; `quick_audit` and `QuickAudits` look at the
cheapest of these and are done at the first run of a signal on a dataset.
"""

from vpharness.audit.audit_report import MOST_CONSTANT_BYTES, AuditReport, Check, MeasuredMemory
from vpharness.audit.full import audit
from vpharness.audit.quick import QuickAudits, quick_audit

__all__ = ["MOST_CONSTANT_BYTES", "AuditReport", "Check", "MeasuredMemory", "QuickAudits", "audit", "quick_audit"]
