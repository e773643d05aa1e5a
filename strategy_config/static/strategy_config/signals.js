// A signal's mark and its row point at each other; new signals are told of, and shown only when asked for.
import { clock, TimeChart } from "./time_chart.js";

const POLL_MS = 3000;
const STALE_MS = 10000;

const ACTIONS = ["buy", "sell"];

function price(number) {
  return number.toLocaleString("en", { maximumSignificantDigits: 8 });
}

// Room for the marks above and below the line. A price that has not moved lies in the middle.
function limits(points, margin) {
  const prices = points.map(({ y }) => y);
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const room = high > low ? (high - low) * margin : Math.abs(high) * 1e-4;
  return { min: low - room, max: high + room };
}

function marksOf(colour, action) {
  return {
    type: "scatter",
    pointStyle: "triangle",
    rotation: action === "buy" ? 0 : 180,
    radius: 7,
    hoverRadius: 10,
    hitRadius: 4,
    backgroundColor: colour(`--${action}`),
    hoverBackgroundColor: colour(`--${action}`),
    borderColor: colour("--panel"),
    borderWidth: 1.5,
    hoverBorderColor: colour("--strong"),
    hoverBorderWidth: 2.5,
    clip: false,
  };
}

function drawPrices(root, data) {
  const span = data.points.at(-1)[0] - data.points[0][0];
  const chart = new TimeChart(root, {
    datasets: (colour) => [
      {
        borderColor: colour("--accent"),
        borderWidth: 1.5,
        borderDash: data.is_measured ? [] : [4, 4],
        borderJoinStyle: "round",
        pointRadius: 0,
        pointHitRadius: 0,
        spanGaps: data.is_measured ? data.gap_ms : true,
      },
      ...ACTIONS.map((action) => marksOf(colour, action)),
    ],
    yScales: (colour, ticks) => ({
      y: {
        type: "linear",
        grid: { color: colour("--line") },
        ticks: { ...ticks, maxTicksLimit: 7, includeBounds: false },
      },
    }),
    describe: ({ x, y }) => `${clock(x, span)} UTC: price ${price(y)}`,
    fit: (points) => (points.length ? limits(points, data.margin) : {}),
    onMark: (found, isClick) => point(rowsOf(found), isClick),
  });
  const rows = new Map([...document.querySelectorAll("tr[data-signal]")].map((row) => [row.dataset.signal, row]));
  const marks = ACTIONS.map((action) => data.marks.filter((mark) => mark.action === action));

  function rowsOf(found) {
    return found.map(({ datasetIndex, index }) => rows.get(marks[datasetIndex - 1]?.[index]?.id)).filter(Boolean);
  }

  function point(chosen, isClick) {
    for (const row of rows.values()) row.classList.toggle("is-pointed-at", chosen.includes(row));
    if (isClick) chosen[0]?.scrollIntoView({ block: "center" });
  }

  function light(id) {
    const found = marks.flatMap((each, number) =>
      each.flatMap((mark, index) => (mark.id === id ? [{ datasetIndex: number + 1, index }] : [])),
    );
    chart.chart.setActiveElements(found);
    chart.chart.update("none");
    point(id ? [rows.get(id)] : [], false);
  }

  for (const [id, row] of rows) {
    for (const [on, off] of [
      ["pointerenter", "pointerleave"],
      ["focusin", "focusout"],
    ]) {
      row.addEventListener(on, () => light(id));
      row.addEventListener(off, () => light(null));
    }
  }
  const times = [...data.points.map(([ms]) => ms), ...data.marks.map((mark) => mark.ms)];
  chart.show({
    points: data.points.map(([x, y]) => ({ x, y })),
    others: marks.map((each) => each.map((mark) => ({ x: mark.ms, y: mark.price, words: mark.words }))),
    min: Math.min(...times),
    max: Math.max(...times),
  });
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

const drawing = document.getElementById("price-data");
if (drawing) drawPrices(document.getElementById("prices"), JSON.parse(drawing.textContent));
followNews();
