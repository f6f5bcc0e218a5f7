"""How laws are tested."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A law is about figures, not about speed.
LAW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
