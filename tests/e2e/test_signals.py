"""The signals page in a browser: the chart, its marks and rows, and news that come by themselves."""

import re

from playwright.async_api import expect

from tests.e2e.conftest import Open
from tests.e2e.stack import Stack

# Of a strategy that no other of the browser's tests changes.
MOMENTUM = "trade_momentum"
CHART = "Chart.getChart(document.querySelector('#prices canvas'))"
NEWEST = "JSON.parse(document.getElementById('price-data').textContent).marks.at(-1)"
LIT = f"""(chart => chart.getActiveElements()
    .map(at => chart.data.datasets[at.datasetIndex].data[at.index].words))({CHART})"""
PLACE_OF_NEWEST = f"""(({{ms, price}}) => {{
    const {{x, y}} = {CHART}.scales;
    return {{x: x.getPixelForValue(ms), y: y.getPixelForValue(Math.min(Math.max(price, y.min), y.max))}};
}})({NEWEST})"""
OFTEN = {"buy_threshold": 0.3, "sell_threshold": -0.3, "min_signal_interval_seconds": 1.0}


async def test_signals__from_the_history_of_a_change__are_those_that_it_decided(log_in: Open, stack: Stack) -> None:
    body = {"parameters": OFTEN, "changed_by": "day desk", "reason": "signals walk"}
    version = stack.site.post(f"/api/v1/strategies/{MOMENTUM}/config?wait_for_runtimes=5000", body).json()["data"][
        "version"
    ]
    stack.until(lambda: len(stack.signals(MOMENTUM, version=version)) > 1)
    console = await log_in("viewer")
    page = console.page
    await console.open(f"/admin/history/?strategy={MOMENTUM}&symbol=global")
    await page.get_by_role("link", name=f"Signals of version {version} of Trade Momentum").click()
    await expect(page.get_by_role("heading", name="Signals", exact=True)).to_be_visible()
    rows = page.locator("tr[data-signal]")
    await expect(rows.first).to_contain_text("simulated")
    links = page.get_by_role("link", name=f"Version {version} of Trade Momentum for all symbols")
    await expect(links).to_have_count(await rows.count())
    row = page.locator(f'tr[data-signal="{await page.evaluate(f"{NEWEST}.id")}"]')
    await row.hover()
    lit = await page.evaluate(LIT)
    assert lit == [await page.evaluate(f"{NEWEST}.words")]
    await page.locator("#prices canvas").hover(position=await page.evaluate(PLACE_OF_NEWEST))
    await expect(row).to_have_class(re.compile("is-pointed-at"))
    await links.first.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(f"and version {version}")
    await expect(page.locator("main")).to_contain_text("signals walk")


async def test_signals__new_ones__are_told_and_shown_when_asked_for(log_in: Open, stack: Stack) -> None:
    stack.until(lambda: stack.signals(MOMENTUM))
    console = await log_in("viewer")
    page = console.page
    await console.open("/admin/signals/")
    newest = await page.locator("tr[data-signal]").first.get_attribute("data-signal")
    await expect(page.locator("#news")).to_contain_text("new signal", timeout=60_000)
    assert await page.locator("tr[data-signal]").first.get_attribute("data-signal") == newest
    await page.locator("#news").get_by_role("link", name="Show").click()
    await expect(page.locator("tr[data-signal]").first).not_to_have_attribute("data-signal", newest or "")
