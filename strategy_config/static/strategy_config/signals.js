// A signal's mark and its row point at each other; new signals are told of, and shown only when asked for.
const POLL_MS = 3000;
const STALE_MS = 10000;

function connectMarks() {
  const marks = new Map([...document.querySelectorAll(".mark")].map((mark) => [mark.dataset.signal, mark]));
  const rows = new Map([...document.querySelectorAll("tr[data-signal]")].map((row) => [row.dataset.signal, row]));
  const light = (id, isOn) => {
    marks.get(id)?.classList.toggle("is-pointed-at", isOn);
    rows.get(id)?.classList.toggle("is-pointed-at", isOn);
  };
  for (const [id, element] of [...marks, ...rows]) {
    element.addEventListener("pointerenter", () => light(id, true));
    element.addEventListener("pointerleave", () => light(id, false));
  }
  for (const [id, mark] of marks) {
    mark.addEventListener("click", () => rows.get(id)?.scrollIntoView({ block: "center" }));
  }
  for (const [id, row] of rows) {
    row.addEventListener("focusin", () => light(id, true));
    row.addEventListener("focusout", () => light(id, false));
  }
}

function followNews() {
  const region = document.getElementById("news");
  if (!region) return;
  const address = new URL(region.dataset.url, location.href);
  address.searchParams.set("after", region.dataset.after);
  let freshAt = performance.now();
  let timer = null;

  function say(text, link) {
    if (region.textContent === text + (link ?? "")) return;
    region.replaceChildren(text);
    region.className = text ? "callout" : "";
    if (link) region.append(Object.assign(document.createElement("a"), { href: location.href, textContent: link }));
  }

  async function poll() {
    try {
      const answer = await fetch(address, {
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(5000),
      });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const { count } = await answer.json();
      freshAt = performance.now();
      if (count === null) say("Redis is unreachable: new signals are not announced here.");
      else if (count) say(`${count >= 1000 ? "1,000 or more" : count} new signal${count === 1 ? "" : "s"}. `, "Show");
      else say("");
    } catch {
      const seconds = Math.round((performance.now() - freshAt) / 1000);
      if (seconds * 1000 > STALE_MS)
        say(`No update from the site for ${seconds} s: newer signals may be missing here.`);
    }
    timer = document.hidden ? null : setTimeout(poll, POLL_MS);
  }
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) poll();
  });
  timer = setTimeout(poll, POLL_MS);
}

connectMarks();
followNews();
