// Keeps the dashboard current without moving anything: texts and bars change in their place, rows are added or removed.
import { follow } from "./live.js";
import { timeElement } from "./times.js";

const HEIGHT = 40;
const WIDTH = 300;
const SVG = "http://www.w3.org/2000/svg";

function setText(element, text) {
  if (element && element.textContent !== String(text)) element.textContent = text;
}

function bar(kind, index, count, value, most) {
  const height = (value / most) * (HEIGHT / 2 - 1);
  const rectangle = document.createElementNS(SVG, "rect");
  const attributes = {
    class: kind,
    x: (index * WIDTH) / count + 0.5,
    width: WIDTH / count - 1,
    height,
    y: kind === "buy" ? HEIGHT / 2 - height : HEIGHT / 2,
  };
  for (const [name, attribute] of Object.entries(attributes)) rectangle.setAttribute(name, attribute);
  return rectangle;
}

function draw(spark, buys, sells) {
  const most = Math.max(1, ...buys, ...sells);
  const axis = document.createElementNS(SVG, "line");
  for (const [name, at] of [
    ["x1", 0],
    ["x2", WIDTH],
    ["y1", HEIGHT / 2],
    ["y2", HEIGHT / 2],
  ])
    axis.setAttribute(name, at);
  const bars = [];
  buys.forEach((value, index) => {
    if (value) bars.push(bar("buy", index, buys.length, value, most));
  });
  sells.forEach((value, index) => {
    if (value) bars.push(bar("sell", index, sells.length, value, most));
  });
  spark.replaceChildren(axis, ...bars);
}

function words(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

// User text gets an element of its own: its direction ends there, and it wraps anywhere.
function why(reason) {
  return reason ? [": “", words("bdi", reason), "”"] : [];
}

function changedLine(changed) {
  if (!changed) return ["never changed"];
  const where = changed.symbol ? ` on ${changed.symbol}` : "";
  const who = document.createElement("strong");
  who.append(words("bdi", changed.by));
  return [`v${changed.version}${where} by `, who, " ", timeElement(changed.at), ...why(changed.reason)];
}

function showCard(card) {
  const article = document.querySelector(`[data-strategy="${CSS.escape(card.id)}"]`);
  if (!article) return;
  const part = (name) => article.querySelector(`[data-part="${name}"]`);
  article.classList.toggle("is-off", !card.is_running);
  part("state").className = `state state-${card.is_running ? "on" : "off"}`;
  for (const name of ["state", "scope", "origin", "signals"]) setText(part(name), card[name]);
  part("spark").setAttribute("aria-label", card.signals);
  draw(part("spark"), card.buys, card.sells);
  const key = JSON.stringify(card.changed);
  if (part("changed").dataset.key !== key) {
    part("changed").replaceChildren(...changedLine(card.changed));
    part("changed").dataset.key = key;
  }
}

function showRuntimes(live) {
  const table = document.getElementById("runtimes");
  table.hidden = !live.runtimes.length;
  const body = table.tBodies[0];
  const present = new Set();
  for (const runtime of live.runtimes) {
    present.add(runtime.instance_id);
    let row = body.querySelector(`[data-instance="${CSS.escape(runtime.instance_id)}"]`);
    if (!row) {
      row = body.insertRow();
      row.dataset.instance = runtime.instance_id;
      row.append(Object.assign(words("th", runtime.instance_id), { scope: "row" }));
      for (const [label, isNumber] of [
        ["Applied up to", false],
        ["Messages/s", true],
        ["Lag", true],
        ["Symbols", true],
        ["Errors", true],
        ["Dropped", true],
        ["Last seen", false],
      ]) {
        const cell = row.insertCell();
        cell.dataset.label = label;
        if (isNumber) cell.className = "num";
      }
    }
    const { applied, rate, lag, symbols, errors, dropped, seen } = runtime;
    for (const [index, text] of [applied, rate, lag, symbols, errors, dropped, seen].entries()) {
      setText(row.cells[index + 1], text);
    }
  }
  for (const row of [...body.rows]) if (!present.has(row.dataset.instance)) row.remove();
  const text = document.getElementById("runtimes-text");
  text.hidden = !live.runtimes_text;
  setText(text, live.runtimes_text);
}

function showParts(parts) {
  const container = document.getElementById("parts");
  parts.forEach((part, index) => {
    const element = container.children[index] ?? container.appendChild(words("span", ""));
    if (!element.firstElementChild) element.replaceChildren(words("strong", part.name), "");
    element.className = `part part-${part.state}`;
    setText(element.firstElementChild, part.name);
    const text = ` ${part.text}`;
    if (element.lastChild.textContent !== text) element.lastChild.textContent = text;
  });
  while (container.children.length > parts.length) container.lastElementChild.remove();
}

function showChanges(changes) {
  const container = document.getElementById("changes");
  const key = changes.length ? String(changes[0].sequence) : "";
  if (!key || container.dataset.key === key) return;
  container.dataset.key = key;
  const list = document.createElement("ol");
  list.className = "changes";
  for (const change of changes) {
    const item = document.createElement("li");
    const tag = words("span", change.action.toLowerCase());
    tag.className = `tag tag-${change.action.toLowerCase()}`;
    const rest = words("span", "by ");
    rest.className = "muted";
    rest.append(words("bdi", change.by), " ", timeElement(change.at), ...why(change.reason));
    item.append(tag, ` ${change.where}: `, words("strong", change.words), " ", rest);
    list.append(item);
  }
  container.replaceChildren(list);
}

function show(live) {
  const region = document.getElementById("live");
  region.classList.toggle("is-stale", live.isStale);
  region.dataset.stale = live.words;
  if (live.isStale) return;
  setText(document.getElementById("answer"), live.document.answer);
  live.document.strategies.forEach(showCard);
  showRuntimes(live.document);
  showParts(live.document.parts);
  showChanges(live.document.changes);
}

for (const spark of document.querySelectorAll(".spark")) {
  const numbers = (text) => (text ? text.split(",").map(Number) : []);
  draw(spark, numbers(spark.dataset.buys), numbers(spark.dataset.sells));
}
follow(show);
