// The session may end while somebody types. Then nothing is sent, which the login page would swallow; once it is back,
// from another tab, the forms get the new session's token and go on as they are.
const banner = document.getElementById("logged-out");
let isOut = false;

export function watchSession(live) {
  if (live.isLoggedOut && !isOut) leave();
  else if (!live.isStale && isOut) comeBack();
}

function leave() {
  isOut = true;
  banner.hidden = false;
}

async function comeBack() {
  const page = await fetch(location.pathname + location.search);
  const html = new DOMParser().parseFromString(await page.text(), "text/html");
  const token = html.querySelector("input[name=csrfmiddlewaretoken]")?.value;
  if (page.redirected || !page.ok) return;
  if (token) for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = token;
  isOut = false;
  banner.hidden = true;
}

document.addEventListener(
  "submit",
  (event) => {
    if (!isOut) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    banner.querySelector("a").focus();
  },
  { capture: true },
);
