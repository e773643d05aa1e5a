// Shows one order book: the curve of its pressure, the shares of both sides now, and the numbers. Stays current.
import { watch } from "./live.js";
import { clock, TimeChart } from "./time_chart.js";

const GAP_MS = 3000;
const LEVELS = [-100, -50, -20, 0, 20, 50, 100];
const LIMIT = 20;
const element = (id) => document.getElementById(id);
const region = element("market");

// "+1.5", "-0.3", and "0.0" for what rounds to nothing.
function signed(number, decimals) {
  const text = Math.abs(number).toFixed(decimals);
  const sign = number > 0 ? "+" : "-";
  return Number(text) ? sign + text : text;
}

function setText(target, text) {
  if (target.textContent !== String(text)) target.textContent = text;
}

function describe({ x, y }) {
  const mood = y > LIMIT ? "bullish" : y < -LIMIT ? "bearish" : "neutral";
  return `${clock(x)} UTC: net pressure ${signed(y, 1)} %, imbalance ${signed(y / 100, 3)}, ${mood}`;
}

// The same curve on two scales: percent on the left, the imbalance on the right.
function yScales(colour, ticks) {
  const isLimit = ({ tick }) => Math.abs(tick?.value) === LIMIT;
  const scale = {
    type: "linear",
    min: -100,
    max: 100,
    afterBuildTicks: (axis) => {
      axis.ticks = LEVELS.map((value) => ({ value }));
    },
  };
  const grid = {
    color: (context) => (isLimit(context) || context.tick?.value === 0 ? colour("--muted") : colour("--line")),
  };
  const dash = (context) => (isLimit(context) ? [2, 4] : []);
  const left = (value) => (value > 0 ? `+${value}` : value);
  return {
    y: { ...scale, position: "left", grid, border: { dash }, ticks: { ...ticks, callback: left, autoSkip: false } },
    right: {
      ...scale,
      position: "right",
      grid: { display: false },
      ticks: { ...ticks, callback: (value) => value / 100, autoSkip: false },
    },
  };
}

function datasets(colour) {
  return [
    {
      borderColor: colour("--strong"),
      borderWidth: 1.5,
      // A second between two gaps is a dot.
      pointRadius: ({ chart, dataIndex, dataset: { data } }) => (chart && isAlone(data, dataIndex) ? 1 : 0),
      pointHitRadius: 0,
      pointBackgroundColor: colour("--strong"),
      spanGaps: GAP_MS,
      fill: { target: "origin", above: colour("--buy-area"), below: colour("--sell-area") },
    },
  ];
}

function isAlone(points, index) {
  const isFar = (other) => !other || Math.abs(other.x - points[index].x) > GAP_MS;
  return points[index] && isFar(points[index - 1]) && isFar(points[index + 1]);
}

const chart = new TimeChart(element("pressure"), { datasets, yScales, describe });

function showChart({ seconds, points, words }) {
  const last = points.at(-1)[0];
  const min = (Math.floor(last / 1000) - seconds + 1) * 1000;
  chart.show({ points: points.map(([x, y]) => ({ x, y })), min, max: min + seconds * 1000 });
  setText(element("chart-words"), words);
}

function showBars(bars) {
  bars.forEach((bar, index) => {
    const row = element("bars").rows[index];
    for (const part of ["label", "bids", "asks"]) setText(row.querySelector(`[data-part="${part}"]`), bar[part]);
    const [bids, asks] = row.querySelectorAll("rect");
    bids.setAttribute("x", 50 - bar.bid_width);
    bids.setAttribute("width", bar.bid_width);
    asks.setAttribute("width", bar.ask_width);
    row.querySelector("svg").setAttribute("aria-label", bar.words);
  });
}

function showFacts(facts) {
  const list = element("facts");
  const names = Object.keys(facts);
  if (list.children.length !== names.length) {
    list.replaceChildren(
      ...names.map((name) => {
        const pair = document.createElement("div");
        pair.append(Object.assign(document.createElement("dt"), { textContent: name }), document.createElement("dd"));
        return pair;
      }),
    );
  }
  for (const [index, name] of names.entries()) setText(list.children[index].lastElementChild, facts[name]);
}

function show(data) {
  const answer = element("answer");
  setText(answer, data.answer);
  answer.classList.toggle("answer-old", !data.is_known || data.is_stale);
  // What was drawn stays, marked by the line above it; there is something to hide only at first.
  if (!data.is_known) return;
  region.hidden = false;
  element("none").hidden = true;
  showChart(data.chart);
  showBars(data.bars);
  showFacts(data.facts);
}

function mark(words) {
  region.classList.toggle("is-stale", words !== "");
  region.dataset.stale = words;
}

show(JSON.parse(element("first").textContent));
watch(region.dataset.pollUrl, (live) => {
  if (live.isStale) {
    mark(live.words);
    return;
  }
  mark(live.document.is_known && !live.document.is_stale ? "" : "The data below is out of date.");
  show(live.document);
});
