"""Reads the site's settings as a process with another environment would, without starting one."""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any
from unittest import mock

from configsite import settings

_MODULES = f"{settings.__name__}."


def read_settings(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the settings module defines where these are all the variables; raises what would stop the start.

    The settings of the test run are as they were afterwards.
    """
    ours = {key: sys.modules.pop(key) for key in list(sys.modules) if key.startswith(_MODULES)}
    try:
        with mock.patch.dict(os.environ, {"DJANGO_SETTINGS_MODULE": _MODULES + name, **environment}, clear=True):
            return dict(vars(importlib.import_module(_MODULES + name)))
    finally:
        for key in [key for key in sys.modules if key.startswith(_MODULES)]:
            del sys.modules[key]
        sys.modules.update(ours)
        for key, module in ours.items():
            setattr(settings, key.removeprefix(_MODULES), module)
