// Keeps the list of order books current without moving anything: rows change in their place, new ones come in order.
import { watch } from "./live.js";

const region = document.getElementById("market");
const table = document.getElementById("books");
const body = table.tBodies[0];

function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

function rowOf(symbol) {
  const rows = [...body.rows];
  const found = rows.find((row) => row.dataset.symbol === symbol);
  if (found) return found;
  const row = document.getElementById("row").content.firstElementChild.cloneNode(true);
  row.dataset.symbol = symbol;
  body.insertBefore(row, rows.find((each) => each.dataset.symbol > symbol) ?? null);
  return row;
}

function showRow(data) {
  const row = rowOf(data.symbol);
  row.classList.toggle("is-silent", data.is_stale);
  const link = row.querySelector("a");
  link.href = data.url;
  setText(link, data.symbol);
  for (const [part, text] of Object.entries(data.texts)) setText(row.querySelector(`[data-part="${part}"]`), text);
  const bar = row.querySelector("rect");
  bar.setAttribute("class", data.lean.kind);
  bar.setAttribute("x", data.lean.x);
  bar.setAttribute("width", data.lean.width);
}

watch(region.dataset.pollUrl, (live) => {
  region.classList.toggle("is-stale", live.isStale);
  region.dataset.stale = live.words;
  if (live.isStale) return;
  const { answer, is_known: isKnown, rows, note } = live.document;
  setText(document.getElementById("answer"), answer);
  if (!isKnown) {
    region.classList.add("is-stale");
    region.dataset.stale = "The data below is out of date.";
    return;
  }
  const symbols = new Set(rows.map((row) => row.symbol));
  for (const row of [...body.rows]) if (!symbols.has(row.dataset.symbol)) row.remove();
  rows.forEach(showRow);
  table.hidden = !rows.length;
  document.getElementById("none").hidden = rows.length > 0;
  const noted = document.getElementById("note");
  noted.hidden = !note;
  setText(noted, note);
});
