// Whether a page is dark: as chosen in the admin, else as the system says. No page is drawn before this has run, so that
// none shows the other colours first. In the admin the theme's own script, which runs later, takes over from it.
const CHOICE = "adminTheme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const chosen = JSON.parse(localStorage.getItem(CHOICE) ?? '"auto"');
  return chosen === "auto" ? system.matches : chosen === "dark";
}

export function onSchemeChange(act) {
  system.addEventListener("change", act);
  addEventListener("storage", (event) => { if (event.key === CHOICE) act(); });
}

function wear() {
  document.documentElement.classList.toggle("dark-mode", isDark());
}

wear();
onSchemeChange(wear);
