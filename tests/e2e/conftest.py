"""Fixtures of the browser's tests: the running product, and pages that let no error and no foreign request pass."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from embedded.servers import NatsServer, Valkey
from tests.e2e.console import Console
from tests.e2e.stack import Stack
from tests.live_site import LiveSite

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
# The first test waits for the whole product to start.
TIMEOUT_SECONDS = 300
# What a page is to show comes when the browser, the site and the runtimes get their turn; playwright's own 5 s are two
# polls of a live page.
expect.set_options(timeout=20_000)
# A script that reads a member which a document of the site has not: `admin/script_shapes.py` and it have parted.
WATCHED_JSON = """(() => {
    const watched = (value, path) => typeof value !== "object" || value === null ? value : new Proxy(value, {
        get(target, name) {
            const isAsked = ["then", "toJSON"].includes(name);  // by the language itself
            const isMember = typeof name === "string" && !isAsked && !Array.isArray(target);
            // By field, and by name: these are maps, of which any key may be asked for.
            const isMap = path.endsWith(".errors") || path.endsWith(".facts");
            if (isMember && !isMap && !(name in target)) console.error(`no member ${path}.${name} in the document`);
            const member = Reflect.get(target, name);
            return typeof member === "function" ? member : watched(member, `${path}.${String(name)}`);
        },
    });
    const { json } = Response.prototype;
    Response.prototype.json = async function () {
        const document = await json.call(this);
        return new URL(this.url).pathname.startsWith("/admin/") ? watched(document, "") : document;
    };
})()"""
Open = Callable[..., Awaitable[Console]]


def browser_path() -> str | None:
    """The browser of CHROMIUM_PATH, else one that the system has."""
    candidates = [os.environ["CHROMIUM_PATH"]] if os.environ.get("CHROMIUM_PATH") else list(BROWSERS)
    return next((path for path in candidates if Path(path).is_file()), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, one event loop for all of it; without a browser it is skipped, and says so."""
    missing = pytest.mark.skip(reason="no Chromium here (apt install chromium, or CHROMIUM_PATH)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))
            # Ahead of the one that the mode "auto" has given it.
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if browser_path() is None:
                item.add_marker(missing)


@pytest.fixture(scope="package")
def stack(prepared_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One product for all tests; each keeps to a strategy of its own, or puts back what it has changed."""
    directory = tmp_path_factory.mktemp("stack")
    with ExitStack() as servers:
        valkey = servers.enter_context(Valkey(directory / "valkey"))
        nats = servers.enter_context(NatsServer(directory / "nats"))
        yield Stack(directory, valkey, nats, prepared_site).start(servers)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each has windows of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def log_in(stack: Stack, browser: Browser) -> AsyncIterator[Open]:
    """``await log_in("trader", width=390, scheme="dark")``: a window of that user, watched until the test's end.

    Nothing is open in it yet.
    """
    opened: list[Console] = []
    windows = AsyncExitStack()

    async def open_console(user: str, *, width: int = 1440, scheme: str = "light") -> Console:
        context = await browser.new_context(
            base_url=stack.url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        windows.push_async_callback(context.close)
        await context.add_cookies([{"name": "sessionid", "value": stack.session_of(user), "url": stack.url}])
        await context.add_init_script(WATCHED_JSON)
        page: Page = await context.new_page()
        console = Console(page, stack.url)
        opened.append(console)
        return console

    async with windows:
        yield open_console
    for console in opened:
        console.check()
