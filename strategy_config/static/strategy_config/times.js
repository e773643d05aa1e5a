// Keeps <time class="when"> current, in the words of the server's own tag.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];

export function relative(instant) {
  const seconds = (Date.now() - instant) / 1000;
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const unit = UNITS.find(([, length]) => size >= length);
  const amount = unit ? `${Math.floor(size / unit[1])} ${unit[0]}` : `${Math.round(size)} s`;
  return seconds >= 0 ? `${amount} ago` : `in ${amount}`;
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
