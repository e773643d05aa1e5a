// The colours of the pages of the API's documentation: as chosen in the admin, else as the system says. No page is drawn
// before this has run, so that none shows the other colours first.
const CHOICE = "adminTheme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const chosen = JSON.parse(localStorage.getItem(CHOICE) ?? '"auto"');
  return chosen === "auto" ? system.matches : chosen === "dark";
}

export function onSchemeChange(act) {
  system.addEventListener("change", act);
  addEventListener("storage", (event) => {
    if (event.key === CHOICE) act();
  });
}

function wear() {
  document.documentElement.classList.toggle("dark-mode", isDark());
}

wear();
onSchemeChange(wear);
