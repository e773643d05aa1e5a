// Keeps <time class="when"> current, in the words of the server's own tag.
const UNITS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
];

export function relative(instant) {
  const seconds = (Date.now() - instant) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  if (seconds < 0) return `in ${ahead(-seconds)}`;
  const unit = UNITS.find(([, length]) => seconds >= length);
  return unit ? `${Math.floor(seconds / unit[1])} ${unit[0]} ago` : `${Math.round(seconds)} s ago`;
}

function ahead(seconds) {
  if (Math.round(seconds) < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  const amounts = [
    [Math.floor(minutes / 1440), "d"],
    [Math.floor(minutes / 60) % 24, "h"],
    [minutes % 60, "min"],
  ];
  while (!amounts[0][0]) amounts.shift();
  return amounts
    .slice(0, 2)
    .filter(([amount]) => amount)
    .map((each) => each.join(" "))
    .join(" ");
}

export function timeElement(iso) {
  const element = document.createElement("time");
  element.className = "when";
  element.dateTime = iso;
  element.title = `${iso.replace("T", " ").replace("Z", "").replace("+00:00", "")} UTC`;
  element.textContent = relative(Date.parse(iso));
  return element;
}

export function keepTimesCurrent() {
  setInterval(() => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time.when")) {
      const text = relative(Date.parse(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
  }, 5000);
}
