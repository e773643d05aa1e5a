// Waits with whoever saved: each runtime, applied or rejected or silent, until all have answered.
const QUICK_MS = 250;
const SLOW_MS = 2000;
const QUICK_FOR_MS = 15000;
const panel = document.getElementById("progress");
const seen = new Map();

function words(runtime) {
  if (runtime.state === "applied") {
    return runtime.latency_ms === null ? "applied" : `applied in ${Number(runtime.latency_ms.toPrecision(3))} ms`;
  }
  if (runtime.state === "rejected") return `rejected: ${runtime.error}`;
  return `has not answered, last seen ${Math.round(runtime.silent_seconds)} s ago`;
}

function show(answer) {
  const text = document.getElementById("progress-text");
  if (text.textContent !== answer.text) text.textContent = answer.text;
  const isRejected = answer.runtimes.some((runtime) => runtime.state === "rejected");
  panel.classList.toggle("callout-good", answer.is_applied);
  panel.classList.toggle("callout-bad", isRejected);
  panel.dataset.applied = String(answer.is_applied);
  const present = new Set(answer.runtimes.map((runtime) => runtime.instance_id));
  for (const runtime of answer.runtimes) seen.set(runtime.instance_id, runtime);
  const items = [...seen.values()].map((runtime) => {
    const item = document.createElement("li");
    item.className = runtime.state;
    const gone = present.has(runtime.instance_id) ? "" : " (no longer running)";
    item.textContent = `${runtime.instance_id} ${words(runtime)}${gone}`;
    return item;
  });
  document.getElementById("progress-runtimes").replaceChildren(...items);
  const line = document.getElementById("applied");
  if (line) line.textContent = answer.text.charAt(0).toLowerCase() + answer.text.slice(1);
}

async function watch() {
  const startedAt = performance.now();
  for (;;) {
    if (!document.hidden) {
      try {
        const answer = await (await fetch(panel.dataset.url, { headers: { Accept: "application/json" } })).json();
        show(answer);
        if (answer.is_done) return;
      } catch {
        document.getElementById("progress-text").textContent =
          "Stored. The site is not responding, so it is unknown whether the change is applied. Trying again…";
      }
    }
    const pause = performance.now() - startedAt < QUICK_FOR_MS ? QUICK_MS : SLOW_MS;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

if (panel) {
  // So that a reload or a bookmark does not wait for this change again.
  history.replaceState(null, "", location.pathname);
  watch();
}
