"""What the console's templates need beyond Django's own tags."""

import re

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from service_kit.names import listed
from strategy_config.admin import times, urls, wording
from strategy_config.resolution import known_strategies
from strategy_core.strategies.registry import STRATEGIES

register = template.Library()
register.filter("shown", wording.shown)
register.filter("listed", listed)
register.filter("row_sentence", wording.row_sentence)
register.filter("change_size", wording.change_size)
register.filter("strategy_name", known_strategies.strategy_name)
register.filter("when", times.when)
register.simple_tag(wording.layer_name, name="layer_name")
for url in (urls.layer_url, urls.switch_url, urls.history_url, urls.version_url, urls.signals_url):
    register.simple_tag(url, name=url.__name__)


@register.simple_tag
def unit(strategy_id: str, parameter: str) -> str:
    """The unit of a parameter; "" where it has none."""
    declared = STRATEGIES.get(strategy_id)
    specs = () if declared is None else declared.specs()
    return next((spec.unit for spec in specs if spec.name == parameter), "")


@register.filter
def breakable(name: str) -> SafeString:
    """A name of several words, which may be broken after each of its underscores and nowhere else."""
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in re.findall("[^_]*_|[^_]+", name)))
