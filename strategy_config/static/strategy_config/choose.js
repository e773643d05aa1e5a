// The list of overrides: choose all, and a bar that says how many are chosen.
const form = document.getElementById("chosen");
const all = document.getElementById("choose-all");

if (form && all) {
  const boxes = [...form.querySelectorAll("input[name=key]")];
  const buttons = [...form.querySelectorAll("#bulk-bar button")];
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    for (const button of buttons) button.disabled = count === 0;
    document.getElementById("bar-text").textContent =
      count === 0 ? "Choose overrides to change them together." : `${count} chosen`;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  form.addEventListener("change", tell);
  window.addEventListener("pageshow", tell);
  tell();
}
