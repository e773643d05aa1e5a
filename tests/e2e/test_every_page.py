"""What holds for every page: it fits, it breaks nothing, it asks nobody else, and a screen reader finds its way."""

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.e2e.conftest import Open

SERIOUS = {"serious", "critical"}
PAGES = {
    "strategies": (
        "/admin/",
        "/admin/strategies/orderbook_skew/",
        "/admin/strategies/cross_exchange_spread/",
        "/admin/strategies/ticker_velocity/symbols/BTCUSDT/",
        "/admin/strategies/orderbook_skew/switch/",
        "/admin/strategies/orderbook_skew/symbols/BTCUSDT/switch/",
        "/admin/switch-all/",
    ),
    "across": (
        "/admin/overrides/",
        "/admin/overrides/?strategy=ticker_velocity",
        "/admin/strategies/orderbook_skew/explain/",
        "/admin/strategies/orderbook_skew/symbols/BTCUSDT/explain/",
        "/admin/strategies/ticker_velocity/symbols/BTCUSDT/copy/",
        "/admin/history/",
        "/admin/compare/",
        "/admin/compare/?symbols=BTCUSDT+ETHUSDT",
        "/admin/transfer/",
    ),
    "people": (
        "/admin/tokens/",
        "/admin/help/",
        "/admin/help/orderbook_skew/",
        "/admin/auth/user/1/change/",
        "/admin/auth/group/",
        "/admin/auth/group/1/change/",
        "/admin/auth/user/",
        "/admin/password_change/",
    ),
}


@pytest.mark.parametrize("pages", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_page__at_each_width_and_scheme__fits_and_is_accessible(
    log_in: Open, width: int, scheme: str, pages: tuple[str, ...]
) -> None:
    console = await log_in("admin", width=width, scheme=scheme)
    found = []
    for path in pages:
        assert await console.open(path) == 200, path
        beyond = await console.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if beyond > 0:
            found.append(f"{path}: {beyond} px wider than the screen")
        violations = (await Axe().run(console.page)).response["violations"]
        found += [
            f"{path}: {each['id']} at {each['nodes'][0]['html'][:200]}"
            for each in violations
            if each["impact"] in SERIOUS
        ]
    assert found == []


async def test_page__from_a_viewer__shows_no_way_to_change_and_refuses_by_url(log_in: Open) -> None:
    console = await log_in("viewer")
    console.refusals.add(403)
    await console.open("/admin/strategies/orderbook_skew/")
    assert await console.page.locator("main button").count() == 0
    assert await console.page.locator("a[href*=switch]").count() == 0
    assert await console.page.locator("#p-buy_threshold").is_disabled()
    for path in ("/admin/switch-all/", "/admin/strategies/orderbook_skew/switch/", "/admin/auth/user/"):
        assert await console.open(path) == 403, path
