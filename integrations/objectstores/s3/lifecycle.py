"""How a bucket gives up unfinished uploads by its own lifecycle rules, and the rule that it should have.

Source: Amazon S3 API reference, "GetBucketLifecycleConfiguration" and "AbortIncompleteMultipartUpload".
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.model import UploadRule

DAYS = 7


def rule_of(rules: Sequence[Mapping[str, Any]], root: str) -> UploadRule:
    """The rule that meets uploads under the root first; if there is none, what to add."""
    spans = [_days(rule) for rule in rules if _is_for(rule, root)]
    known = [span for span in spans if span is not None]
    if known:
        return UploadRule(days=min(known), words=f"by a lifecycle rule, {min(known)} days after they began")
    return UploadRule(days=None, words="the bucket has no lifecycle rule for them", proposal=proposal(root))


def unknown(root: str) -> UploadRule:
    """Of a store that has no lifecycle rules at all."""
    where = f"under {root}" if root else "in it"
    return UploadRule(days=None, words=f"the store knows no lifecycle rules; look at times for old uploads {where}")


def proposal(root: str) -> str:
    """The rule to add, as the API has it; putting a configuration replaces all rules that are there."""
    rule = {
        "ID": "unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": root},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": DAYS},
    }
    return (
        f"Add this lifecycle rule to those that the bucket has (aws s3api put-bucket-lifecycle-configuration replaces"
        f" them all): {json.dumps(rule)}"
    )


def _is_for(rule: Mapping[str, Any], root: str) -> bool:
    """Whether it meets everything under the root. The prefix stands in three places, the oldest outside of Filter."""
    told = rule.get("Filter", {})
    prefix = str(rule.get("Prefix") or told.get("Prefix") or told.get("And", {}).get("Prefix") or "")
    return rule.get("Status") == "Enabled" and root.startswith(prefix)


def _days(rule: Mapping[str, Any]) -> int | None:
    days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return int(days) if days else None
