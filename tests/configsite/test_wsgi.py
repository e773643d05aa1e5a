"""The site as a web worker loads it."""

import json

from tests.live_site import LiveSite

LOADED = """
import gc, json, sys
import configsite.wsgi
print(json.dumps({"kept": gc.get_freeze_count(), "collected": len(gc.get_objects()),
                  "views": "strategy_config.api.resources.layers.views" in sys.modules}))
"""


def test_wsgi__loaded__leaves_nearly_nothing_to_collections_that_stop_all_threads(prepared_site: LiveSite) -> None:
    loaded = json.loads(prepared_site.run_script(LOADED).splitlines()[-1])
    assert loaded["views"]
    assert loaded["kept"] > 20 * loaded["collected"]
