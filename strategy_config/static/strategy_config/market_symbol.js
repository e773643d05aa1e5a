// Draws one order book: the curve of its pressure, the shares of both sides now, and the numbers. Stays current.
import { watch } from "./live.js";

const WIDTH = 1000;
const HEIGHT = 200;
const GAP_MS = 3000;
const LINES = [100, 50, 20, 0, -20, -50, -100];
const SVG = "http://www.w3.org/2000/svg";
const element = (id) => document.getElementById(id);
const region = element("market");
const moment = element("moment");
let chart = null;
let chosenMs = null; // null: the newest moment, whatever comes

const y = (pressure) => HEIGHT / 2 - (pressure / 100) * (HEIGHT / 2);

// "+1.5", "-0.3", and "0.0" for what rounds to nothing.
function signed(number, decimals) {
  const text = Math.abs(number).toFixed(decimals);
  const sign = number > 0 ? "+" : "-";
  return Number(text) ? sign + text : text;
}

function setText(target, text) {
  if (target.textContent !== String(text)) target.textContent = text;
}

function drawGrid() {
  for (const level of LINES) {
    const line = document.createElementNS(SVG, "line");
    line.setAttribute("class", level === 0 ? "zero" : Math.abs(level) === 20 ? "limit" : "level");
    for (const [name, at] of [
      ["x1", 0],
      ["x2", WIDTH],
      ["y1", y(level)],
      ["y2", y(level)],
    ])
      line.setAttribute(name, at);
    element("grid").append(line);
    for (const [side, text] of [
      ["left", level > 0 ? `+${level}` : level],
      ["right", level / 100],
    ]) {
      const tick = document.createElement("span");
      tick.className = side;
      tick.style.top = `${(y(level) / HEIGHT) * 100}%`;
      tick.textContent = text;
      element("ticks").append(tick);
    }
  }
}

const clock = (ms) => `${new Date(ms).toISOString().slice(11, 19)} UTC`;
const startMs = () => (Math.floor(chart.points.at(-1)[0] / 1000) - chart.seconds + 1) * 1000;
const x = (ms) => ((ms - startMs()) / (chart.seconds * 1000)) * WIDTH;

// Runs of points without a gap: each becomes a line of its own.
function runs() {
  const found = [];
  chart.points.forEach((point, index) => {
    if (!index || point[0] - chart.points[index - 1][0] > GAP_MS) found.push([]);
    found.at(-1).push(point);
  });
  return found;
}

function drawCurve() {
  const steps = (run, clip) =>
    run.map(([ms, pressure]) => `${x(ms).toFixed(1)} ${y(clip(pressure)).toFixed(1)}`).join("L");
  const line = runs()
    .map((run) => `M${steps(run, (each) => each)}${run.length === 1 ? "h2" : ""}`)
    .join("");
  const area = (clip) =>
    runs()
      .map((run) => `M${x(run[0][0]).toFixed(1)} ${y(0)}L${steps(run, clip)}L${x(run.at(-1)[0]).toFixed(1)} ${y(0)}Z`)
      .join("");
  element("curve").setAttribute("d", line);
  element("bulls").setAttribute(
    "d",
    area((each) => Math.max(each, 0)),
  );
  element("bears").setAttribute(
    "d",
    area((each) => Math.min(each, 0)),
  );
  setText(element("from"), clock(startMs()));
  setText(element("to"), clock(chart.points.at(-1)[0]));
}

function showMoment() {
  const [ms, pressure] = chart.points[Number(moment.value)];
  const mood = pressure > 20 ? "bullish" : pressure < -20 ? "bearish" : "neutral";
  const words = `${clock(ms)}: net pressure ${signed(pressure, 1)} %, imbalance ${signed(pressure / 100, 3)}, ${mood}`;
  setText(element("moment-words"), words);
  moment.setAttribute("aria-valuetext", words);
  element("cursor").setAttribute("x1", x(ms));
  element("cursor").setAttribute("x2", x(ms));
}

function choose(index) {
  const last = chart.points.length - 1;
  moment.value = Math.min(Math.max(index, 0), last);
  chosenMs = Number(moment.value) === last ? null : chart.points[Number(moment.value)][0];
  showMoment();
}

function nearest(ms) {
  let best = 0;
  chart.points.forEach((point, index) => {
    if (Math.abs(point[0] - ms) < Math.abs(chart.points[best][0] - ms)) best = index;
  });
  return best;
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
  chart = data.chart;
  setText(element("chart-words"), chart.words);
  drawCurve();
  moment.max = chart.points.length - 1;
  choose(chosenMs === null ? chart.points.length - 1 : nearest(chosenMs));
  showBars(data.bars);
  showFacts(data.facts);
}

function mark(words) {
  region.classList.toggle("is-stale", words !== "");
  region.dataset.stale = words;
}

drawGrid();
show(JSON.parse(element("first").textContent));
moment.addEventListener("input", () => choose(Number(moment.value)));
element("plot").addEventListener("pointermove", (event) => {
  if (!chart) return;
  const box = event.currentTarget.firstElementChild.getBoundingClientRect();
  choose(nearest(startMs() + ((event.clientX - box.left) / box.width) * chart.seconds * 1000));
});
element("plot").addEventListener("pointerleave", () => {
  if (chart) choose(chart.points.length - 1);
});
watch(region.dataset.pollUrl, (live) => {
  if (live.isStale) {
    mark(live.words);
    return;
  }
  mark(live.document.is_known && !live.document.is_stale ? "" : "The data below is out of date.");
  show(live.document);
});
