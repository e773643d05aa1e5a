// The form of a layer: shows what is changed, steps numbers by the arrow keys, drops own values, asks the server as one types.
import { relative } from "./times.js";

const CHECK_AFTER_MS = 150;
const form = document.getElementById("layer-form");
const fields = [...form.querySelectorAll("[data-field]")];
const checkUrl = form.dataset.checkUrl;
let timer = null;
let asked = 0;

function textOf(field) {
  const checked = [...field.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value);
  if (field.querySelector("input[type=checkbox]")) return checked.join(",");
  return field.querySelector("input, select").value.trim();
}

function setText(field, text) {
  for (const box of field.querySelectorAll("input[type=checkbox]")) box.checked = text.split(",").includes(box.value);
  const control = field.querySelector("input:not([type=checkbox]), select");
  if (control) control.value = text;
}

// "1.20" for "1.2" is no change, to the server neither.
function isSame(field, text) {
  const { was } = field.dataset;
  const isNumber = text && was && field.querySelector("input.number");
  return text === was || (isNumber && Number(text.replace(",", ".")) === Number(was));
}

function mark(field) {
  const text = textOf(field);
  const state = !isSame(field, text) ? "changed" : text ? "own" : "inherited";
  field.className = `field field-${state}`;
  const badge = field.querySelector("[data-badge]");
  const isUntil = field.dataset.field === "expires_at";
  badge.textContent = state === "changed" && !text ? "removed" : isUntil && state === "own" ? "set" : state;
  badge.hidden = isUntil && state === "inherited";
  if (isUntil) showUntil(field, text);
  const drop = field.querySelector("[data-drop]");
  if (drop) drop.hidden = !text;
  return state === "changed";
}

// The time in UTC as the reader's own clock shows it, and how far away it is.
function showUntil(field, text) {
  const at = text ? new Date(`${text}Z`) : null;
  const local = at?.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  field.querySelector("[data-until-local]").textContent = at
    ? `${relative(at.getTime())} · ${local} on your clock (${zone})`
    : "No expiry.";
}

function showErrors(answer) {
  let count = answer.other.length;
  for (const field of fields) {
    const errors = answer.errors[field.dataset.field] ?? [];
    count += errors.length;
    const list = field.querySelector("[data-errors]");
    const items = errors.map((words) => Object.assign(document.createElement("li"), { textContent: words }));
    if (list.textContent !== errors.join("")) list.replaceChildren(...items);
    const control = field.querySelector("input, select");
    if (errors.length) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  const other = document.getElementById("other-errors");
  other.hidden = !answer.other.length;
  other.replaceChildren(
    ...answer.other.map((words) => Object.assign(document.createElement("li"), { textContent: words })),
  );
  return count;
}

function showBar(errors = 0) {
  const changed = fields.filter(mark).length;
  if (changed) form.dataset.dirty = "1";
  else delete form.dataset.dirty;
  const counted = `${changed} change${changed === 1 ? "" : "s"}`;
  const text = errors
    ? `${counted} · ${errors} to correct before the review`
    : changed
      ? `${counted} · not saved`
      : "No changes. Empty fields inherit.";
  document.getElementById("bar-text").textContent = text;
  document.getElementById("discard").hidden = !changed;
  const review = document.getElementById("review-button");
  review.textContent = changed ? `Review ${counted}` : "Review";
  review.hidden = !changed;
}

async function check() {
  const turn = ++asked;
  try {
    const answer = await fetch(checkUrl, { method: "POST", body: new FormData(form) });
    // The server judges the form again at the review: without an answer here nothing is let through.
    if (!answer.ok || turn !== asked) return;
    showBar(showErrors(await answer.json()));
  } catch {
    showBar();
  }
}

function changed() {
  showBar();
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
}

function step(input, direction) {
  const field = input.closest("[data-field]");
  const current = Number((input.value.trim() || field.dataset.inherited).replace(",", "."));
  if (!Number.isFinite(current)) return;
  const size = Number(input.dataset.step);
  const decimals = (input.dataset.step.split(".")[1] ?? "").length;
  const exact = Math.max(decimals, (String(current).split(".")[1] ?? "").length);
  // Rounded first: a limit may have more decimals than the step, and stays one.
  const moved = Number((current + direction * size).toFixed(exact));
  input.value = String(Math.min(Number(input.dataset.max), Math.max(Number(input.dataset.min), moved)));
  changed();
}

const until = document.getElementById("field-expires_at");
if (until && !checkUrl) showUntil(until, textOf(until));

if (checkUrl) {
  for (const ahead of form.querySelectorAll("[data-ahead]")) ahead.hidden = false;
  form.addEventListener("input", changed);
  form.addEventListener("keydown", (event) => {
    if (!event.target.matches("input.number") || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    step(event.target, event.key === "ArrowUp" ? 1 : -1);
  });
  form.addEventListener("click", (event) => {
    const { drop: name, hours } = event.target.dataset;
    if (hours) {
      const at = new Date(Math.round(Date.now() / 60000 + hours * 60) * 60000);
      setText(document.getElementById("field-expires_at"), at.toISOString().slice(0, 16));
      changed();
    }
    if (!name) return;
    const field = document.getElementById(`field-${name}`);
    setText(field, "");
    field.querySelector("input, select").focus();
    changed();
  });
  document.getElementById("discard").addEventListener("click", () => {
    for (const field of fields) setText(field, field.dataset.was);
    changed();
  });
  document.getElementById("review-button").addEventListener("click", (event) => {
    const wrong = form.querySelector("[aria-invalid=true]");
    if (wrong) {
      event.preventDefault();
      wrong.focus();
    }
  });
  showBar(form.querySelectorAll("[data-errors] li").length);
}
