"""Reads dashboards as Grafana's own types have them, writes them down again, and says what was lost on the way."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, at):
    """Where `before` has something that `after` has not. What `after` has beside it are defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{at}.{key}")
            # A threshold from which all begins is written as none.
            elif value is not None:
                yield f"{at}.{key}"
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield at
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{at}[{index}]")
    elif before != after:
        yield f"{at}: {before!r} became {after!r}"


register_default_plugins()
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        before = json.load(file)
    after = json.loads(json.dumps(Dashboard.from_json(before), cls=JSONEncoder))
    for what in lost(before, after, path):
        print(f"lost: {what}")
    print(f"read: {path}")
