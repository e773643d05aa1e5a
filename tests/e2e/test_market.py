"""The market's pages: they move by themselves, can be looked at without a mouse, and own up to old data."""

import re

import pytest
import redis
from playwright.async_api import expect

from strategy_core.configuration.redis_keys import Keys
from tests import books
from tests.e2e.conftest import Open
from tests.e2e.console import HALF_A_MINUTE_MS, refuse
from tests.e2e.stack import Stack

SILENT = "OLDUSDT"
CHART = "Chart.getChart(document.querySelector('#pressure canvas'))"
VIEW = f"(({{min, max}}) => [min, max])({CHART}.scales.x)"


async def test_market__runtimes_trade__rows_move_and_one_leads_to_its_charts(log_in: Open) -> None:
    console = await log_in("viewer")
    page = console.page
    await console.open("/admin/market/")
    row = page.locator("tr[data-symbol=BTCUSDT]")
    before = await row.locator("[data-part=bids]").inner_text()
    await expect(row.locator("[data-part=bids]")).not_to_have_text(before)
    await row.get_by_role("link", name="BTCUSDT").click()
    await expect(page.get_by_role("heading", name="BTCUSDT")).to_be_visible()
    await expect(page.locator("#answer")).to_contain_text("simulated")
    assert len(await page.evaluate(f"{CHART}.data.datasets[0].data")) > 1
    words = await page.locator("#chart-words").inner_text()
    await expect(page.locator("#chart-words")).not_to_have_text(words)


async def test_market__by_keyboard__a_moment_stays_chosen_while_the_chart_moves(log_in: Open) -> None:
    console = await log_in("viewer", width=390)
    page = console.page
    await console.open("/admin/market/ETHUSDT/?timeframe=15m")
    moment, words = page.get_by_label("Moment"), page.locator("#pressure output")
    await expect(moment).not_to_have_attribute("max", re.compile("^[012]?$"))
    await moment.focus()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    chosen = await words.inner_text()
    assert re.match(r"\d\d:\d\d:\d\d UTC: net pressure [+-]?[\d.]+ %, imbalance", chosen)
    end = await page.evaluate(f"{CHART}.scales.x.max")
    await page.wait_for_function(f"{CHART}.scales.x.max > {end}")
    await expect(words).to_have_text(chosen)
    await page.keyboard.press("End")
    await expect(words).not_to_have_text(chosen)


async def test_market__book_nobody_renews__is_marked_as_silent(log_in: Open, stack: Stack) -> None:
    with redis.Redis.from_url(stack.site.redis_url) as client:
        books.publish(client, Keys("e2e"), books.metrics(SILENT, age_seconds=30))
        books.publish_pressure(client, Keys("e2e"), SILENT, [5.0] * 30)
    console = await log_in("viewer")
    await console.open("/admin/market/")
    await expect(console.page.locator(f"tr[data-symbol={SILENT}] [data-part=mood]")).to_have_text("silent")
    await expect(console.page.locator("#answer")).to_contain_text("1 silent for more than 10 s")
    await console.open(f"/admin/market/{SILENT}/")
    await expect(console.page.locator("#answer")).to_contain_text("Silent: last order book")
    await expect(console.page.locator("#market")).to_have_class(re.compile("is-stale"))


async def test_market__site_silent__says_that_it_is_out_of_date(log_in: Open) -> None:
    console = await log_in("viewer")
    console.refusals.add(503)
    page = console.page
    await console.open_on_own_clock("/admin/market/BTCUSDT/")
    await page.route("**/market/**/live.json*", refuse)
    await page.clock.run_for(HALF_A_MINUTE_MS)
    await expect(page.locator("#market")).to_have_class(re.compile("is-stale"))
    await page.unroute("**/market/**/live.json*")
    await page.clock.run_for(HALF_A_MINUTE_MS)
    await expect(page.locator("#market")).not_to_have_class(re.compile("is-stale"))


async def test_chart__zoomed_by_a_drag_and_by_buttons__keeps_its_part_until_all_is_wanted(log_in: Open) -> None:
    console = await log_in("viewer")
    page = console.page
    await console.open("/admin/market/BTCUSDT/?timeframe=1m")
    everything = await page.evaluate(VIEW)
    assert (box := await page.locator("#pressure canvas").bounding_box())
    await page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60)
    await page.mouse.up()
    begin, end = await page.evaluate(VIEW)
    assert everything[0] < begin < end < everything[1]
    assert end - begin < 20_000
    await page.get_by_role("button", name="Zoom out").press("Enter")
    wider = await page.evaluate(VIEW)
    assert wider[1] - wider[0] == pytest.approx(2 * (end - begin), rel=0.01)
    await page.get_by_role("button", name="All", exact=True).press("Enter")
    begin, end = await page.evaluate(VIEW)
    assert end - begin == everything[1] - everything[0]
    await expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()


async def test_chart__of_seconds_without_a_book__leaves_the_gap_open(log_in: Open, stack: Stack) -> None:
    with redis.Redis.from_url(stack.site.redis_url) as client:
        books.publish(client, Keys("e2e"), books.metrics(SILENT, age_seconds=30))
        books.publish_pressure(client, Keys("e2e"), SILENT, [5.0] * 10)
    console = await log_in("viewer")
    await console.open(f"/admin/market/{SILENT}/")
    page = console.page
    await expect(page.locator("#pressure output")).to_contain_text("net pressure +5.0 %")
    # What the library does with a gap of that length is its own promise; that it knows the length is ours.
    assert await page.evaluate(f"{CHART}.data.datasets[0].spanGaps") == 3_000
