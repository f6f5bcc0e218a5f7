"""Rules for activating a subscription (spec 2 §3.9): checked whole, and refused where a payment can't be collected.

The one type there is waits for the payment of the first invoice, which a payment provider collects; no provider can be
linked yet, so no customer is chargeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from laguna.kernel.errors import Problems

FIELD = "activation_rules"
TYPES = ("payment",)


def check_activation_rules(given: Any, problems: Problems) -> None:
    """The spec's codes on `activation_rules`, all at once; rules without fault fail on `base`."""
    if given in (None, []):
        return
    if not isinstance(given, list):
        problems.add(FIELD, "invalid_format")
        return
    rules = [
        cast(Mapping[str, Any], rule) if isinstance(rule, dict) else dict[str, Any]()
        for rule in cast(Sequence[Any], given)
    ]
    types = [rule.get("type") for rule in rules]
    codes = [
        *(["invalid_type"] if any(each not in TYPES for each in types) else []),
        *(["duplicated_type"] if any(types.count(each) > 1 for each in TYPES) else []),
        *(
            ["value_must_be_positive_or_zero"]
            if not all(_is_time_out(rule.get("timeout_hours")) for rule in rules)
            else []
        ),
    ]
    if codes:
        problems.add(FIELD, *codes)
    else:
        problems.add("base", "no_linked_payment_provider")


def _is_time_out(hours: Any) -> bool:
    """Whole hours; 0, which is also what is meant without a word, waits for ever."""
    return hours is None or (isinstance(hours, int) and not isinstance(hours, bool) and hours >= 0)
