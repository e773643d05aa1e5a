// Says when somebody has changed the layer since the page was opened: at its foot, where nothing moves that is being read.
import { follow } from "./live.js";

const place = document.getElementById("meanwhile");
const { strategy, symbol, since, then } = place.dataset;
let told = Number(since);

function concerns(change) {
  return change.strategy_id === strategy && change.sequence > told && (!change.symbol || change.symbol === symbol);
}

function tell(change) {
  const element = (tag, members) => Object.assign(document.createElement(tag), members);
  const what = element("span", { className: "meanwhile-what", title: change.reason });
  const why = change.reason ? [": “", element("bdi", { textContent: change.reason }), "”"] : [];
  what.append(
    "Changed in the meantime: ",
    element("strong", { textContent: `${change.where}: ${change.words}` }),
    // A time that keeps itself current would be read out again and again.
    " by ",
    element("bdi", { textContent: change.by }),
    ` at ${change.at.slice(11, 19)} UTC`,
    ...why,
  );
  place.replaceChildren(what, then, " ", element("a", { textContent: "Reload the page", href: location.pathname }));
}

follow((live) => {
  const change = live.isStale ? undefined : live.document.changes.find(concerns);
  if (!change) return;
  told = change.sequence;
  tell(change);
  document.getElementById("answer")?.classList.add("answer-old");
  // The bar has grown over what was at its edge.
  if (place.closest("form")?.contains(document.activeElement))
    document.activeElement.scrollIntoView({ block: "nearest" });
});
