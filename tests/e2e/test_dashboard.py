"""The first page: it moves by itself, says so when it cannot, and draws what there is."""

import re
from datetime import timedelta

from playwright.async_api import expect

from strategy_config.admin.times import relative
from tests.e2e.conftest import Open
from tests.e2e.console import HALF_A_MINUTE_MS, refuse
from tests.e2e.stack import Stack
from tests.factories import NOON


async def test_dashboard__change_elsewhere__appears_by_itself(log_in: Open, stack: Stack) -> None:
    console = await log_in("viewer")
    page = console.page
    await console.open("/admin/")
    await expect(page.locator("#feed")).to_have_text("Simulated feed")
    await expect(page.locator("#runtimes tbody tr")).to_have_count(2)
    await expect(page.locator("#parts .part-ok")).to_have_count(3)
    stack.site.post(
        "/api/v1/strategies/spread_liquidity/disable?symbol=SOLUSDT",
        {"changed_by": "night desk", "reason": "delisting rumour"},
    )
    card = page.locator("[data-strategy=spread_liquidity]")
    await expect(card).to_contain_text("off for SOLUSDT")
    await expect(card).to_contain_text("night desk")
    await expect(page.locator("#changes")).to_contain_text("delisting rumour")


async def test_dashboard__signals__are_drawn_with_their_numbers_in_words(log_in: Open, stack: Stack) -> None:
    stack.until(lambda: stack.signals("orderbook_skew", version=None))
    console = await log_in("viewer")
    await console.open("/admin/")
    spark = console.page.locator("[data-strategy=orderbook_skew] .spark")
    await expect(spark.locator("rect").first).to_be_attached()
    await expect(spark).to_have_attribute("aria-label", re.compile(r"^▲ \d+ buy · ▼ \d+ sell in 30 min$"))


async def test_times__past_and_ahead__read_the_same_from_the_server_and_in_the_browser(log_in: Open) -> None:
    console = await log_in("viewer")
    await console.open("/admin/")
    script = await console.page.locator('script[src$="/console.js"]').get_attribute("src")
    assert script is not None
    seconds = [-200_000, -4_000, -70, 5, 59.6, 14_395, 14_280, 86_400, 97_200, 7_775_999]
    ahead = """async ([url, seconds]) => {
        const { relative } = await import(url);
        const now = Date.now();
        Date.now = () => now;
        return seconds.map(each => relative(now + each * 1000));
    }"""
    read = await console.page.evaluate(ahead, [script.replace("console.js", "times.js"), seconds])
    assert read == [relative(NOON + timedelta(seconds=each), NOON) for each in seconds]


async def test_dashboard__site_silent__says_that_it_is_out_of_date(log_in: Open) -> None:
    console = await log_in("viewer")
    console.refusals.add(503)
    page = console.page
    await console.open_on_own_clock("/admin/")
    await page.route("**/live.json", refuse)
    await page.clock.run_for(HALF_A_MINUTE_MS)
    await expect(page.locator("#live")).to_have_class(re.compile("is-stale"))
    await expect(page.locator("#feed")).to_have_class(re.compile("feed-stale"))
    await expect(page.locator("#feed")).to_have_text("Site not responding")
    await page.unroute("**/live.json")
    await page.clock.run_for(HALF_A_MINUTE_MS)
    await expect(page.locator("#live")).not_to_have_class(re.compile("is-stale"))
    await expect(page.locator("#feed")).to_have_text("Simulated feed")


async def test_dashboard__tab_hidden__asks_nothing(log_in: Open) -> None:
    console = await log_in("viewer")
    page = console.page
    await console.open_on_own_clock("/admin/")
    async with page.expect_response("**/live.json"):
        await page.clock.run_for(HALF_A_MINUTE_MS)
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    told = "document.dispatchEvent(new Event('visibilitychange'));"
    await page.evaluate(hide % "true" + told)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("live.json") else None)
    await page.clock.run_for(HALF_A_MINUTE_MS)
    assert asked == []
    async with page.expect_request("**/live.json"):
        await page.evaluate(hide % "false" + told)
