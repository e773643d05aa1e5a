// Says when somebody has changed the layer since the page was opened: at its foot, where nothing moves that is being read.
import { follow } from "./live.js";
import { timeElement } from "./times.js";

const place = document.getElementById("meanwhile");
const { strategy, symbol, since, then } = place.dataset;
let told = Number(since);

function concerns(change) {
  return change.strategy_id === strategy && change.sequence > told && (!change.symbol || change.symbol === symbol);
}

function tell(change) {
  const what = Object.assign(document.createElement("strong"), { textContent: `${change.where}: ${change.words}` });
  const anew = Object.assign(document.createElement("a"), { textContent: "Load it anew", href: location.pathname });
  const why = change.reason ? `: “${change.reason}”` : "";
  place.replaceChildren(
    "Changed since this page was opened: ", what, ` by ${change.by} `, timeElement(change.at), `${why}. ${then} `, anew,
  );
}

follow((live) => {
  const change = live.isStale ? undefined : live.document.changes.find(concerns);
  if (!change) return;
  told = change.sequence;
  tell(change);
  document.getElementById("answer")?.classList.add("answer-old");
});
