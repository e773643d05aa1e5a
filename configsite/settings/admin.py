"""The admin's theme, django-unfold: names, colours, and where its navigation comes from."""

from typing import Any

from django.templatetags.static import static

# The theme's login page does not pass on the next page.
LOGIN_REDIRECT_URL = "admin:index"

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Real-time strategies",
    "SITE_HEADER": "Real-time strategies",
    "SITE_SUBHEADER": "Configuration",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("strategy_config/icon.svg")}
    ],
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda request: static("strategy_config/console.css")],
    "SIDEBAR": {"navigation": "strategy_config.admin.navigation.groups"},
    "COLORS": {
        # Teal: red, amber and green are reserved for their meaning.
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(31% .05 188.4)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
}
