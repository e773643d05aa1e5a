// The colours of the pages of the API's documentation: as chosen in the admin, else as the system says.
const CHOICE = "adminTheme";
const system = matchMedia("(prefers-color-scheme: dark)");

// Puts the page in them, with the class where they are dark; answers whether they are.
export function wearScheme(darkClass) {
  const chosen = JSON.parse(localStorage.getItem(CHOICE) ?? '"auto"');
  const isDark = chosen === "auto" ? system.matches : chosen === "dark";
  const page = document.documentElement;
  page.classList.toggle(darkClass, isDark);
  page.style.colorScheme = isDark ? "dark" : "light";
  return isDark;
}

export function onSchemeChange(act) {
  system.addEventListener("change", act);
  addEventListener("storage", (event) => { if (event.key === CHOICE) act(); });
}
