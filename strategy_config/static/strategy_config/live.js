// Polls small documents: watch(url, listener) calls listener({document, isStale, isLoggedOut, words}) after each.
// It stops while the tab is hidden; without a fresh document for a while it says so.
// follow(listener) watches the one document that every page has.
const POLL_MS = 2000;
const STALE_MS = 8000;
const listeners = [];

export function follow(listener) {
  listeners.push(listener);
  const url = document.getElementById("console")?.dataset.liveUrl;
  if (listeners.length === 1 && url)
    watch(url, (live) => {
      for (const each of listeners) each(live);
    });
}

export function watch(url, listener) {
  let latest = null;
  let freshAt = performance.now();
  let timer = null;
  let isLoggedOut = false;
  const next = () => {
    timer = document.hidden ? null : setTimeout(poll, POLL_MS);
  };
  function tell(isStale) {
    const seconds = Math.round((performance.now() - freshAt) / 1000);
    const late = `No update from the site for ${seconds} s: this page may be out of date.`;
    const words = isLoggedOut ? "Your session has ended: this page may be out of date." : isStale ? late : "";
    listener({ document: latest, isStale, isLoggedOut, words });
  }
  async function poll() {
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) });
      isLoggedOut = answer.redirected;
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      latest = await answer.json();
      freshAt = performance.now();
      tell(false);
    } catch {
      if (isLoggedOut || performance.now() - freshAt > STALE_MS) tell(true);
    }
    next();
  }
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) poll();
  });
  next();
}
