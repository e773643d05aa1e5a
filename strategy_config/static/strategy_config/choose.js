// The list of overrides: choose all, and a bar that is there once something is chosen.
const form = document.getElementById("chosen");
const all = document.getElementById("choose-all");

if (form && all) {
  const boxes = [...form.querySelectorAll("input[name=key]")];
  const bar = document.getElementById("bulk-bar");
  document.getElementById("choose").hidden = false;
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    bar.hidden = count === 0;
    document.getElementById("bar-text").textContent = `${count} selected`;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  form.addEventListener("change", tell);
  window.addEventListener("pageshow", tell);
  tell();
}
