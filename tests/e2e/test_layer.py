"""A trader at work: change, be refused, review, save, see it applied; and what happens when two do so at once."""

import re
from typing import Any

from playwright.async_api import expect

from tests.e2e.conftest import Open
from tests.e2e.console import Console
from tests.e2e.stack import Stack

RULE = "sell_threshold 1 must stay below buy_threshold 1. Lower it, or raise buy_threshold first."
REFUSED = "buy_threshold 5 must be between 0.3 and 1 (momentum)."


def history(stack: Stack, strategy_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = stack.get(f"/api/v1/strategies/{strategy_id}/audit")
    return rows


async def test_change__of_a_trader__is_reviewed_saved_applied_and_decides(log_in: Open, stack: Stack) -> None:
    console = await log_in("trader")
    page = console.page
    await console.open("/admin/strategies/orderbook_skew/")
    await console.type("buy_threshold", "1,05")
    await console.type("min_signal_interval_seconds", "0")
    await expect(page.locator("#bar-text")).to_contain_text("2 changes")
    await console.review()
    await expect(
        page.get_by_text("buy_threshold 1.2 → 1.05 (-12.5 %; 7.5 % of the range) for all symbols.")
    ).to_be_visible()
    await console.save("tighter in low volatility")

    row = history(stack, "orderbook_skew")[0]
    assert row["changes"] == [
        {"parameter": "buy_threshold", "old": None, "new": 1.05},
        {"parameter": "min_signal_interval_seconds", "old": None, "new": 0.0},
    ]
    said = {name: row[name] for name in ("action", "version", "changed_by", "actor", "channel", "reason")}
    assert said == {
        "action": "CREATE",
        "version": 1,
        "changed_by": "trader",
        "actor": "trader",
        "channel": "admin",
        "reason": "tighter in low volatility",
    }
    await expect(page.locator("#answer")).to_contain_text("2 own values of 9")
    assert stack.until(lambda: stack.signals("orderbook_skew", version=1))
    await console.type("buy_threshold", "1.050")
    await expect(page.locator("#bar-text")).to_have_text("No changes. Empty fields inherit.")

    await console.open("/admin/strategies/orderbook_skew/symbols/BTCUSDT/")
    await console.type("buy_threshold", "1.01")
    await console.type("sell_threshold", "0.99")
    await console.review()
    await console.save("BTC is deeper")
    assert stack.until(lambda: stack.signals("orderbook_skew", version=1, symbol="BTCUSDT", symbol_version=1))


async def test_value__out_of_range__is_refused_in_the_same_words_before_and_after_sending(log_in: Open) -> None:
    console = await log_in("trader")
    console.refusals.add(422)
    page = console.page
    await console.open("/admin/strategies/trade_momentum/")
    await console.type("buy_threshold", "5")
    refusal = page.locator("#errors-buy_threshold li")
    await expect(refusal).to_have_text(REFUSED)
    await page.get_by_role("button", name=re.compile("^Review")).click()
    await expect(page.locator("#p-buy_threshold")).to_be_focused()

    await page.evaluate("document.getElementById('layer-form').submit()")
    await expect(page.locator("#p-buy_threshold")).to_have_attribute("aria-invalid", "true")
    await expect(refusal).to_have_text(REFUSED)
    await expect(page.locator("#p-buy_threshold")).to_have_value("5")


async def test_rule__between_two_parameters__is_told_in_the_same_words_before_and_after_sending(
    log_in: Open, stack: Stack
) -> None:
    before = history(stack, "orderbook_skew")
    console = await log_in("trader")
    console.refusals.add(422)
    page = console.page
    await console.open("/admin/strategies/orderbook_skew/")
    await console.type("sell_threshold", "1")
    await console.type("buy_threshold", "1")
    refusal = page.locator("#errors-sell_threshold li")
    await expect(refusal.first).to_have_text(RULE)
    await expect(page.locator("#bar-text")).to_contain_text("to correct before the review")

    await page.evaluate("document.getElementById('layer-form').submit()")
    await expect(page.locator("#p-sell_threshold")).to_have_attribute("aria-invalid", "true")
    await expect(refusal.first).to_have_text(RULE)
    await expect(page.locator("#p-buy_threshold")).to_have_value("1")
    assert history(stack, "orderbook_skew") == before


async def test_number__that_can_be_read_in_two_ways__is_refused_while_typing(log_in: Open) -> None:
    console = await log_in("trader")
    await console.open("/admin/strategies/ticker_velocity/")
    await console.type("buy_threshold", "1,5")
    await expect(console.page.locator("#bar-text")).to_contain_text("1 change")
    await console.type("buy_threshold", "1,500")
    await expect(console.page.locator("#errors-buy_threshold li")).to_contain_text("can be read in two ways")


async def test_expiry__hours_ahead__is_reviewed_and_shown_in_utc_and_on_the_readers_clock(
    log_in: Open, stack: Stack
) -> None:
    console = await log_in("trader", width=390)
    page = console.page
    await console.open("/admin/strategies/iceberg_detector/symbols/SOLUSDT/")
    await console.type("min_refill_count", "5")
    await page.get_by_role("button", name="in 4 h").click()
    await expect(page.locator("#until-local")).to_contain_text(re.compile(r"^in 4 h · .+ on your clock \(.+\)$"))
    await console.review()
    await expect(page.locator("#review")).to_contain_text(
        re.compile(r"apply until [\d-]+ [\d:]+ UTC \(so far: no expiry\)")
    )
    await console.save("until the news")
    await expect(page.locator("#answer")).to_contain_text(re.compile("expires in (4 h|3 h 5[89] min)"))
    layer = stack.get("/api/v1/strategies/iceberg_detector/config/SOLUSDT")
    assert (layer["overrides"], layer["expires_at"][16:]) == ({"min_refill_count": 5}, ":00.000Z")


async def test_keys__enter_wheel_and_arrows__never_save_and_step_only_on_purpose(log_in: Open) -> None:
    console = await log_in("trader")
    page = console.page
    await console.open("/admin/strategies/spread_liquidity/")
    field = page.locator("#p-base_confidence")
    await field.fill("0.7")
    await field.press("Enter")
    await page.mouse.wheel(0, 200)
    await expect(field).to_have_value("0.7")
    await expect(page.get_by_role("heading", name="Spread Liquidity")).to_be_visible()
    await field.press("ArrowUp")
    await expect(field).to_have_value("0.705")

    asked: list[str] = []

    async def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", stay)
    await page.get_by_role("link", name="Dashboard").first.click()
    await expect(page).to_have_url(re.compile("/admin/$"))
    assert asked == ["beforeunload"]


async def test_arrows__in_a_field_of_small_numbers__move_it_a_little_and_never_beyond_its_range(log_in: Open) -> None:
    console = await log_in("trader")
    await console.open("/admin/strategies/trade_momentum/")
    field = console.page.locator("#p-min_quantity")
    await field.press("ArrowUp")
    await expect(field).to_have_value("0.0011")
    await field.fill("0.0003")
    for _ in range(5):
        await field.press("ArrowDown")
    await expect(field).to_have_value("0.0001")


async def test_own_value__dropped_by_one_click__inherits_again(log_in: Open, stack: Stack) -> None:
    stack.site.post(
        "/api/v1/strategies/btc_dominance/config",
        {"parameters": {"window_hours": 48}, "changed_by": "test", "reason": "to be dropped"},
    )
    console = await log_in("trader", width=390)
    await console.open("/admin/strategies/btc_dominance/")
    await console.page.locator("[data-drop=window_hours]").click()
    await console.review()
    await console.save("back to the default")
    await expect(console.page.locator("#p-window_hours")).to_have_value("")
    assert "window_hours" not in stack.get("/api/v1/strategies/btc_dominance/config")["overrides"]

    before = history(stack, "btc_dominance")
    await console.page.go_back()
    await expect(console.page.locator("#bar-text")).to_contain_text("No changes")
    assert history(stack, "btc_dominance") == before


async def test_session__that_ends_while_typing__goes_on_after_another_login(log_in: Open, stack: Stack) -> None:
    console = await log_in("trader")
    console.refusals.add(403)
    page = console.page
    await console.open("/admin/strategies/cross_exchange_spread/")
    await console.type("base_confidence", "0.8")
    await page.context.clear_cookies()
    banner = page.locator("#logged-out")
    await expect(banner).to_be_visible()
    await page.get_by_role("button", name=re.compile("^Review")).click()
    await expect(banner.get_by_role("link")).to_be_focused()

    another_tab = await page.context.new_page()
    await Console(another_tab, stack.url).log_in("trader")
    await expect(banner).to_be_hidden()
    await expect(page.locator("#p-base_confidence")).to_have_value("0.8")
    await console.review()


async def test_two_traders__on_one_layer__the_second_is_told_and_keeps_what_was_typed(
    log_in: Open, stack: Stack
) -> None:
    first, second = await log_in("trader"), await log_in("trader2")
    second.refusals.add(409)
    path = "/admin/strategies/iceberg_detector/"
    await first.open(path)
    await second.open(path)
    await second.type("base_confidence", "0.8")
    await second.type("max_symbols", "90")
    await second.review()

    await first.type("max_symbols", "150")
    await first.type("min_refill_count", "4")
    await first.review()
    await first.save("more symbols today")

    await second.page.get_by_role("textbox", name="Reason").fill("surer signals")
    await second.page.get_by_role("button", name=re.compile("^Save")).click()
    conflict = second.page.locator("#conflict")
    await expect(conflict).to_contain_text("trader")
    await expect(conflict).to_contain_text("more symbols today")
    await expect(second.page.locator("#field-max_symbols .note")).to_contain_text("150")
    await expect(second.page.locator("#p-max_symbols")).to_have_value("90")
    await expect(second.page.locator("#p-min_refill_count")).to_have_value("4")
    assert history(stack, "iceberg_detector")[0]["version"] == 1

    await second.review()
    await expect(second.page.get_by_role("textbox", name="Reason")).to_have_value("surer signals")
    await second.save("surer signals")
    own = stack.get("/api/v1/strategies/iceberg_detector/config")["overrides"]
    assert own == {"base_confidence": 0.8, "max_symbols": 90, "min_refill_count": 4}


async def test_page__open_while_the_strategy_is_switched_off__says_so_and_keeps_what_was_typed(
    log_in: Open, stack: Stack
) -> None:
    console = await log_in("trader", width=390)
    page = console.page
    console.refusals.add(409)
    await console.open("/admin/strategies/onchain_metrics/symbols/BTCUSDT/")
    await console.type("base_confidence", "0.8")
    # As low as it can be seen, right over the bar.
    await page.evaluate(
        "scrollBy(0, document.activeElement.getBoundingClientRect().bottom - bar.getBoundingClientRect().top)"
    )
    switched = {"changed_by": "night desk", "reason": "chain data is late"}
    stack.site.post("/api/v1/strategies/onchain_metrics/disable?symbol=ETHUSDT", switched)
    stack.site.post("/api/v1/strategies/onchain_metrics/disable", switched)
    told = page.locator("#meanwhile")
    await expect(told).to_contain_text("On-Chain Metrics: enabled not set → off by night desk")
    field, bar = page.locator("#p-base_confidence"), page.locator("#bar")
    above = await field.bounding_box(), await bar.bounding_box()
    assert above[0] is not None
    assert above[1] is not None
    assert above[0]["y"] + above[0]["height"] <= above[1]["y"], "the bar covers the field"
    await expect(told).to_contain_text("“chain data is late”")
    await expect(page.locator("#answer")).to_have_class(re.compile("answer-old"))
    await expect(page.locator("#p-base_confidence")).to_have_value("0.8")

    await page.get_by_role("button", name=re.compile("^Review")).click()
    await expect(page.locator("#conflict")).to_contain_text("night desk")
    await expect(page.locator("#meanwhile")).to_be_empty()
    stack.site.post("/api/v1/strategies/onchain_metrics/enable", switched)
