// Redoc in the colours that the reader has chosen. It runs before Redoc's own script, which reads them once.
import { isDark, onSchemeChange } from "./scheme.js";

const TEXT = "#d8dee6",
  PALE = "#a9b4c0",
  LINK = "#6cc4d6",
  PANEL = "#11171d";
const DARK = {
  colors: {
    primary: { main: LINK },
    success: { main: "#63c174" },
    warning: { main: "#e0a43a" },
    error: { main: "#ff8b85" },
    gray: { 50: "#1d252d", 100: "#232c35" },
    text: { primary: TEXT, secondary: PALE },
    border: { dark: "rgba(255, 255, 255, 0.15)", light: "#2b353f" },
    responses: { redirect: { color: "#e0a43a" }, info: { color: LINK } },
  },
  schema: { nestedBackground: "#1d252d", linesColor: "#53626f", typeNameColor: PALE, typeTitleColor: PALE },
  typography: { code: { color: "#f0a0a0", backgroundColor: "rgba(255, 255, 255, 0.08)" } },
  sidebar: { backgroundColor: PANEL, textColor: TEXT, activeTextColor: LINK },
  rightPanel: {
    backgroundColor: PANEL,
    servers: { overlay: { backgroundColor: "#232c35", textColor: TEXT }, url: { backgroundColor: PANEL } },
  },
  fab: { backgroundColor: "#232c35", color: LINK },
};

if (isDark()) document.querySelector("redoc").setAttribute("theme", JSON.stringify(DARK));
onSchemeChange(() => location.reload());

// Redoc shows its maker's logo from another host, which the page's policy refuses with an error in the console.
// Pictures of other hosts are left out before they are asked for.
const picture = HTMLImageElement.prototype;
const setAttribute = picture.setAttribute;
const source = Object.getOwnPropertyDescriptor(picture, "src");

function isOurs(url) {
  return new URL(url, location.href).origin === location.origin;
}

picture.setAttribute = function (name, value) {
  if (name !== "src" || isOurs(value)) setAttribute.call(this, name, value);
};
Object.defineProperty(picture, "src", {
  ...source,
  set(url) {
    if (isOurs(url)) source.set.call(this, url);
  },
});
