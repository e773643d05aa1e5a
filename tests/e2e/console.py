"""A window on the console, as a person uses it; remembers every error and every request to another host."""

import re

from playwright.async_api import ConsoleMessage, Page, Request, Route, expect

HALF_A_MINUTE_MS = 30_000
FIRST_PAGE = re.compile(r"/admin/$")
# One whose element a live page has replaced meanwhile is over too.
_TRANSITIONS_END = """new Promise(requestAnimationFrame).then(() => Promise.allSettled(
    document.getAnimations().filter(each => each instanceof CSSTransition).map(each => each.finished)))"""


class Console:
    """One user's window. ``refusals`` are the statuses that the test provokes: the browser reports them as errors."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.refusals: set[int] = set()
        self._url = url
        self._errors: list[str] = []
        self._foreign: list[str] = []
        page.on("console", self._on_message)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", self._on_request)

    async def log_in(self, user: str) -> None:
        """Log in with the password that is the user's name."""
        await self.page.goto("/admin/login/")
        await self.page.locator("[name=username]").fill(user)
        await self.page.locator("[name=password]").fill(user)
        await self.page.locator("#login-form button[type=submit]").click()
        await expect(self.page).to_have_url(FIRST_PAGE)

    async def open(self, path: str) -> int:
        """Go to a page; answers its status."""
        response = await self.page.goto(path)
        assert response is not None
        return response.status

    async def open_on_own_clock(self, path: str) -> None:
        """Go to a page whose clock is the test's: with ``page.clock.run_for`` half a minute passes in a moment."""
        await self.page.clock.install()
        await self.open(path)

    async def is_dark(self) -> bool:
        """Whether the page is in its dark colours."""
        dark: bool = await self.page.evaluate("document.documentElement.classList.contains('dark')")
        return dark

    async def wear(self, theme: str) -> None:
        """Put the page in its "light" or its "dark" colours with the keyboard, as unfold lets one."""
        # The first press takes a user who has chosen nothing to light.
        for _ in range(2):
            if await self.is_dark() != (theme == "dark"):
                await self.page.keyboard.press("Control+e")
                await self.page.evaluate(_TRANSITIONS_END)
        assert await self.is_dark() == (theme == "dark")

    async def type(self, parameter: str, text: str) -> None:
        """Type over a parameter's field."""
        await self.page.locator(f"#p-{parameter}").fill(text)

    async def review(self) -> None:
        """Go to the review, as it can be reached: with nothing to mend, and the focus where the reason goes."""
        await self.page.get_by_role("button", name=re.compile("^Review")).click()
        await expect(self.page.get_by_role("heading", name="Review", exact=True)).to_be_visible()
        await expect(self.page.get_by_role("textbox", name="Reason")).to_be_focused()

    async def save(self, reason: str) -> None:
        """Give the reason and save; returns when every runtime has applied it."""
        await self.page.get_by_role("textbox", name="Reason").fill(reason)
        await self.page.get_by_role("button", name=re.compile("^Save")).click()
        await self.is_applied()

    async def is_applied(self) -> None:
        """Wait until the panel says that every runtime has applied the change."""
        await expect(self.page.locator("#progress")).to_have_attribute("data-applied", "true")
        await expect(self.page.locator("#progress-text")).to_contain_text(re.compile(r"^Applied by 2 of 2"))

    def check(self) -> None:
        """No error on any page so far, no request to another host."""
        assert self._errors == [], self._errors
        assert self._foreign == []

    def _on_message(self, message: ConsoleMessage) -> None:
        is_expected = any(f"status of {status}" in message.text for status in self.refusals)
        if message.type in {"error", "warning"} and not is_expected:
            self._errors.append(f"{message.location.get('url')}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self._foreign.append(request.url)


async def refuse(route: Route) -> None:
    """Answer in the site's place, as one that cannot."""
    await route.fulfill(status=503)
