// What every page of the console does: times that stay current, dialogs, the guard of unsaved changes, the feed's badge.
import "./focus.js";
import { follow } from "./live.js";
import { watchSession } from "./session.js";
import { keepTimesCurrent } from "./times.js";

function openDialogs() {
  for (const opener of document.querySelectorAll("[data-dialog]")) {
    const dialog = document.getElementById(opener.dataset.dialog);
    opener.addEventListener("click", (event) => {
      event.preventDefault();
      dialog.showModal();
      dialog.querySelector("textarea, input:not([type=hidden])")?.focus();
    });
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
  }
}

// A form marked data-guard: Enter in a field never sends it, and leaving it with data-dirty asks first.
function guardForms() {
  for (const form of document.querySelectorAll("form[data-guard]")) {
    let isSending = false;
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input, select")) event.preventDefault();
    });
    // Any form: the kill switch of the page asks nothing on behalf of what was typed.
    document.addEventListener("submit", () => {
      isSending = true;
    });
    window.addEventListener("pageshow", () => {
      isSending = false;
    });
    window.addEventListener("beforeunload", (event) => {
      if (!isSending && form.dataset.dirty) event.preventDefault();
    });
  }
  document.addEventListener(
    "wheel",
    (event) => {
      if (event.target.matches?.("input[type=number]:focus")) event.preventDefault();
    },
    { passive: false },
  );
}

function showFeed(live) {
  const badge = document.getElementById("feed");
  if (!badge) return;
  badge.classList.toggle("feed-stale", live.isStale);
  if (live.isStale) {
    badge.textContent = live.isLoggedOut ? "Logged out" : "Site not responding";
    badge.title = live.words;
    return;
  }
  const { kind, text, detail } = live.document.feed;
  if (badge.textContent !== text) badge.textContent = text;
  badge.className = `feed feed-${kind}`;
  badge.title = detail;
}

// On a phone an open search leaves no room for what it finds; its first line names what is chosen.
function foldSearches() {
  if (!matchMedia("(max-width: 40rem)").matches) return;
  for (const search of document.querySelectorAll("details.fold")) search.open = false;
}

// A page that answers a form, such as a review, becomes one that Back and Reload open anew and never send again.
history.replaceState(history.state, "", location.href);
openDialogs();
guardForms();
foldSearches();
keepTimesCurrent();
follow(showFeed);
follow(watchSession);
