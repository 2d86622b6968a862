"""Objects as JSON or YAML."""

from __future__ import annotations

import json
from typing import Any

Object = dict[str, Any]


def as_json(value: Object) -> str:
    """Four spaces of indentation, keys sorted, as kubectl."""
    return json.dumps(_ordered(value), indent=4, ensure_ascii=False, sort_keys=True) + "\n"


def as_yaml(value: Object) -> str:
    """Block style, keys sorted, strings that need it quoted, several lines as a block."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Kubernetes' style of YAML."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write everything out."""
            return True

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        # Double quotes, as kubectl has them, for text that would be read as a number, a date or a truth value.
        tag: str = dumper.resolve(yaml.ScalarNode, data, (True, False))  # type: ignore[no-untyped-call]
        plain = tag == "tag:yaml.org,2002:str"
        style = "|" if "\n" in data else None if plain else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    result: str = yaml.dump(
        _ordered(value), Dumper=Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True, width=1 << 20
    )
    return result


def _ordered(value: Object) -> Object:
    """Without the bookkeeping that nobody reads (``managedFields``)."""
    if isinstance(value.get("items"), list):
        return {**value, "items": [_ordered(item) for item in value["items"]]}
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        return {**value, "metadata": {key: item for key, item in metadata.items() if key != "managedFields"}}
    return value
