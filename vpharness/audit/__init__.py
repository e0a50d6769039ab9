"""The audit of a signal: what its program holds, whether it looks ahead, and how long it remembers its start.

`audit` scores a signal again in every way that must not change its scores; `quick_audit` and `QuickAudits` look at the
cheapest of these and are done at the first run of a signal on a dataset.
"""

from vpharness.audit.full import audit
from vpharness.audit.quick import QuickAudits, quick_audit
from vpharness.audit.report import MOST_CONSTANT_BYTES, AuditReport, Check, Memory

__all__ = ["MOST_CONSTANT_BYTES", "AuditReport", "Check", "Memory", "QuickAudits", "audit", "quick_audit"]
