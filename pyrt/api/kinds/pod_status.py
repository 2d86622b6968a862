"""``pods/status``: conditions that others than this node report, for readiness gates."""

from __future__ import annotations

import copy
import time
from typing import Final

from msgspec.structs import replace

from pyrt.api.decoding import refuse
from pyrt.api.kinds.mirrors import refuse_mirror
from pyrt.api.kinds.pods import PodStrategy
from pyrt.api.resources import WriteContext
from pyrt.kube import names
from pyrt.kube.field import FieldError, each_invalid, not_supported
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodCondition
from pyrt.kube.times import to_text
from pyrt.pods.conditions import OWNED

_STATUSES: Final = ("False", "True", "Unknown")


class StatusStrategy(PodStrategy):
    """A pod, of whose status the conditions can be written that are not the supervisor's own. All else in a status is
    what the supervisor observes, and stays.
    """

    def prepare_update(self, value: Pod, old: Pod, context: WriteContext) -> None:
        """See :class:`pyrt.api.resources.Strategy`."""
        refuse_mirror(old.metadata, "updated")
        wanted = [condition for condition in value.status.conditions if condition.type not in OWNED]
        value.spec = old.spec
        for name in ("labels", "annotations", "finalizers", "owner_references"):
            setattr(value.metadata, name, getattr(old.metadata, name))
        value.metadata.generation = old.metadata.generation
        refuse("Pod", value.metadata.name, _errors(wanted))
        before = {condition.type: condition for condition in old.status.conditions}
        for condition in wanted:
            was = before.get(condition.type)
            if condition.last_transition_time is None and (was is None or was.status != condition.status):
                condition.last_transition_time = to_text(time.time_ns())
        kept = [copy.copy(condition) for condition in old.status.conditions if condition.type in OWNED]
        value.status = replace(old.status, conditions=[*wanted, *kept])


def _errors(conditions: list[PodCondition]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, condition in enumerate(conditions):
        path = f"status.conditions[{index}]"
        errors += each_invalid(f"{path}.type", condition.type, names.label_key(condition.type))
        if condition.status not in _STATUSES:
            errors.append(not_supported(f"{path}.status", condition.status, _STATUSES))
    return errors
